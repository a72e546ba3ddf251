// Show the moment of the slider: pictures, shots, waveforms and marks.
const moment = slider.value
caption.text = captions[moment]

for (const {frames, scale, image, shown, error} of pictures) {
  const n = image.length
  const values = shown.data.image[0], errors = error.data.image[0]
  for (let j = 0; j < n; j++) {
    values[j] = scale * frames[moment * n + j]
    errors[j] = values[j] - image[j]
  }
  shown.change.emit()
  error.change.emit()
}

// The values of a piece of packed numbers; of steps each twice, for both ends.
const piece = (packed, scale, from, length, stepped) => {
  const times = stepped ? 2 : 1
  const found = new Float64Array(times * length)
  for (let j = 0; j < found.length; j++)
    found[j] = scale * packed[from + Math.floor(j / times)]
  return found
}

const [axes, number, length] = sizes
const which = [...Array(number).keys()]
const data = {picked: which.map((s) => s * every)}
for (let a = 0; a < axes; a++)
  data[`k${a}`] = which.map((s) => piece(k, unit, ((moment * axes + a) * number + s) * length, length))
for (const {column, values, scale, times, stepped, title, texts} of limited) {
  const rows = stepped ? times.length / 2 : times.length
  data[column] = which.map((s) => piece(values, scale, (moment * number + s) * rows, rows, stepped))
  data[`${column}_time`] = which.map(() => times)
  title.text = texts[moment]
}
shots.data = data

const [one] = shots.selected.indices
const of_one = {}
for (let a = 0; a < axes; a++)
  of_one[`k${a}`] = one == null ? [] : data[`k${a}`][one]
samples.data = of_one

line.location = steps[moment]
for (const {source, values} of marks)
  source.data = values[moment] == null ? {x: [], y: []} : {x: [steps[moment]], y: [values[moment]]}
