// A shot was picked in a panel, or let go: say its number, and show its samples.
const [one] = shots.selected.indices
spinner.value = one == null ? null : one * every
show.execute(shots)
