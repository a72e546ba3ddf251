"""The loop that `minimize` and the solvers share: reach a point, remember, report, go on."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

from optim._checkpoint import Checkpoint
from optim._settings import flag, function, integer, wrong_kind
from optim._tree import Params


class Result(NamedTuple):
    """The course of a loop, returned by `minimize` and by the solvers.

    A loop goes from point to point and evaluates the loss at each. If an error or an
    interrupt prevents the evaluation, the point does not count.

    Attributes
    ----------
    params : array or dict of str to array
        The last point. Its loss is the last of `history`.
    history : list of float
        The loss at each point, in order. The first point of `minimize` is the parameters as
        given; the first point of a solver is their projection.
    state : NamedTuple
        The state of the optimiser or the solver at the last point.
    best_params : array or dict of str to array
        The point with the lowest loss of `history`; the first such point if there are several.
    best_value : float
        The lowest loss of `history`; infinite if there is none.
    steps : int
        Number of completed steps. `minimize` counts its updates: `history` is longer by one.
        A solver counts its points, the start included: `history` is as long.
    interrupted : bool
        Whether a KeyboardInterrupt ended the loop.
    converged : bool
        Whether the loop ended because a tolerance was met.
    """

    params: Params
    history: list[float]
    state: Any
    best_params: Params
    best_value: float
    steps: int
    interrupted: bool
    converged: bool


class NonFiniteError(FloatingPointError):
    """A loss or gradient is NaN or infinite.

    Parameters
    ----------
    message : str
        The step and the fault.
    result : Result
        The result of the steps before it.

    Attributes
    ----------
    result : Result
        The result of the steps before it.
    """

    def __init__(self, message: str, result: Result) -> None:
        super().__init__(message)
        self.result = result

    def __reduce__(self) -> tuple[type, tuple[str, Result], dict[str, Any]]:
        # An exception is pickled as its type and `args`, which the message alone is.
        return type(self), (str(self), self.result), self.__dict__


class NotFinite(FloatingPointError):  # noqa: N818 - never leaves this package
    """A fault without its step; `run` adds the step and raises `NonFiniteError`."""


class Step(NamedTuple):
    """A point that a loop has reached.

    The loop ends here if a tolerance is met, `converged`, or if there is no better point,
    `last`.
    """

    loss: float
    params: Params
    state: Any
    last: bool = False
    converged: bool = False


def run(
    call: str,
    start: Callable[[], Step],
    advance: Callable[[Result], Step],
    params: Params,
    state: Any,
    steps: int,
    callback: Callable[[int, float, Params], object] | None,
    progress: bool,
    checkpoint: Checkpoint | None,
    settings: Mapping[str, Any],
    *,
    first: int = 1,
    shown: Callable[[Any], Any] = lambda state: state,
) -> Result:
    """Go from point to point, for `steps` steps at most.

    `start` reaches the first point, which counts as `first` steps, 0 or 1. `advance` reaches
    the next point from the result so far, of which it needs nothing else: it is what a checkpoint
    saves, which belongs to `settings` and the start. `shown` makes the state that the caller sees.
    """
    steps = integer(call, "steps", steps, least=0)
    progress = flag(call, "progress", progress)
    if callback is not None:
        function(call, "callback", callback, "a callable or None")
    result = nothing = Result(params, [], state, params, math.inf, 0, False, False)
    ended = False
    if checkpoint is not None:
        if not isinstance(checkpoint, Checkpoint):
            raise wrong_kind(call, "checkpoint", checkpoint, "an optim.Checkpoint or None")
        saved = checkpoint.begin(call, {**settings, "start": params}, params)
        if saved is not None:
            result, ended = saved
            # A list to which an interrupted step may have added.
            result = result._replace(history=result.history[: result.steps + 1 - first])
    history = result.history
    left = range(result.steps + 1 if history else first, 0 if ended else steps + 1)
    with _progress_bar(call, steps, result.steps) if progress else nullcontext() as show:
        try:
            for step in left:
                loss, p, state, last, converged = advance(result) if history else start()
                best_params = p if loss < result.best_value else result.best_params
                best_value = min(loss, result.best_value)
                history.append(loss)
                # One assignment replaces this one tuple at each point: wherever an interrupt
                # falls, the tuple belongs to a point that was reached.
                result = Result(p, history, state, best_params, best_value, step, False, converged)
                if show is not None:
                    show(step, loss)
                asked = callback is not None and callback(step - first, loss, p)
                ended = last or converged
                if checkpoint is not None:
                    checkpoint.save((result, ended))
                if asked or ended:
                    break
        except KeyboardInterrupt:
            # The interrupt may have come after the append and before the assignment.
            points = 0 if result is nothing else result.steps + 1 - first
            result = result._replace(history=history[:points], interrupted=True)
        except NotFinite as fault:
            msg = f"{call}: at step {len(history)} {fault}; want finite values"
            raise NonFiniteError(msg, result._replace(state=shown(result.state))) from None
        finally:
            if checkpoint is not None:
                checkpoint.flush()
    return result._replace(state=shown(result.state))


def stuck(result: Result) -> Step:
    """Return the last step of a solver that found no better point: it stays where it is."""
    after = result.state._replace(step=result.steps + 1)
    return Step(result.history[-1], result.params, after, last=True)


@contextmanager
def _progress_bar(call: str, steps: int, done: int) -> Iterator[Callable[[int, float], object]]:
    """Show a progress bar from `done` on; what is yielded sets it to a step and shows the loss."""
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        msg = f'{call}: progress=True needs tqdm, which in a clone comes with: pip install ".[app]"'
        raise ImportError(msg) from error

    with tqdm(total=steps, initial=done) as bar:

        def show(step: int, loss: float) -> None:
            # tqdm alone decides when to draw: most steps only count.
            bar.set_postfix_str(f"loss {loss:.6g}", refresh=False)
            bar.update(step - bar.n)

        yield show
