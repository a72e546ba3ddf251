// Labels of a logarithmic axis: at 1, 2 and 5 of each decade; of many decades, at some of their
// beginnings; between two of these, at equal distances.
const low = Math.min(cb_data.start, cb_data.end), high = Math.max(cb_data.start, cb_data.end)
const first = Math.floor(Math.log10(low)), last = Math.floor(Math.log10(high))
const every = Math.ceil((last - first) / 6)
const labels = []
for (let decade = first; decade <= last; decade++)
  for (const digit of last - first < 3 ? [1, 2, 5] : decade % every == 0 ? [1] : [])
    labels.push(digit * 10 ** decade)
const seen = labels.filter((at) => low <= at && at <= high)
if (seen.length > 1) return seen
const unit = 10 ** Math.floor(Math.log10((high - low) / 4))
const step = unit * [1, 2, 5, 10].find((times) => high - low <= 5 * times * unit)
const from = Math.ceil(low / step), number = Math.floor(high / step) - from + 1
return [...Array(number).keys()].map((j) => (from + j) * step)
