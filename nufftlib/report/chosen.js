// A shot was picked by its number.
const one = spinner.value == null ? [] : [Math.round(spinner.value / every)]
if (one[0] !== shots.selected.indices[0])
  shots.selected.indices = one
