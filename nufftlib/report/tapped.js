// A PSF was tapped: cut it there.
row.value = Math.min(Math.max(Math.round(cb_obj.y), row.start), row.end)
column.value = Math.min(Math.max(Math.round(cb_obj.x), column.start), column.end)
