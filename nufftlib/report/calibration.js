// Show the cuts of all PSFs through the row and the column of the sliders.
const i = row.value, j = column.value
for (const line of across) line.location = i
for (const line of down) line.location = j
for (const {psf, width, along_row, along_column} of cuts) {
  const height = psf.length / width
  along_row.data = {x: along_row.data.x, y: psf.slice(i * width, (i + 1) * width)}
  along_column.data = {
    x: along_column.data.x,
    y: Float32Array.from({length: height}, (_, n) => psf[n * width + j]),
  }
}
