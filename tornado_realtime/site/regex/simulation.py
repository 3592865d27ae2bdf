"""Runs an expression in time that is linear in the text, by following all its possibilities at once.

The machine is Thompson's, with captures as Pike added them (R. Cox, "Regular Expression Matching: the Virtual
Machine Approach", 2009): threads in order of preference, each at one instruction, all reading the same
character.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tornado_realtime.site.regex import charsets
from tornado_realtime.site.regex.nodes import Assertion, Capture, Chars, Choice, Empty, Node, Repeat, Sequence

MOST_INSTRUCTIONS = 5000

Slots = tuple[int, ...]
"""Where captures begin and end, two for each; -1 for nowhere."""


@dataclass(slots=True)
class Instruction:
    """One step of the machine.

    Attributes:
        action: ``char``, ``split``, ``jump``, ``save``, ``assert`` or ``match``.
        accepts: For char: whether it is one of these.
        place: For assert: whether a text has such a place there.
        slot: For save.
        to: For split: where first. For jump: where.
        other: For split: where else.
    """

    action: str
    accepts: Callable[[str], bool] | None = None
    place: Callable[[str, int], bool] | None = None
    slot: int = 0
    to: int = 0
    other: int = 0


def compile_program(node: Node) -> list[Instruction]:
    """The instructions for an expression.

    Raises:
        ValueError: When there are too many.
    """
    program: list[Instruction] = []
    _emit(Capture(node, 0, ""), program)
    _add(program, Instruction("match"))
    return program


def _add(program: list[Instruction], instruction: Instruction) -> Instruction:
    if len(program) >= MOST_INSTRUCTIONS:
        raise ValueError("the expression is too large; use smaller repeat counts")
    program.append(instruction)
    return instruction


def _emit(node: Node, program: list[Instruction]) -> None:
    match node:
        case Empty():
            pass
        case Chars(ranges):
            _add(program, Instruction("char", accepts=charsets.tester(ranges)))
        case Assertion(kind):
            _add(program, Instruction("assert", place=_PLACES[kind]))
        case Sequence(parts):
            for part in parts:
                _emit(part, program)
        case Choice(options):
            _emit_choice(options, program)
        case Repeat():
            _emit_repeat(node, program)
        case Capture(inner, number, _):
            _add(program, Instruction("save", slot=2 * number))
            _emit(inner, program)
            _add(program, Instruction("save", slot=2 * number + 1))


def _emit_choice(options: tuple[Node, ...], program: list[Instruction]) -> None:
    jumps = []
    for option in options[:-1]:
        split = _add(program, Instruction("split", to=len(program) + 1))
        _emit(option, program)
        jumps.append(_add(program, Instruction("jump")))
        split.other = len(program)
    _emit(options[-1], program)
    for jump in jumps:
        jump.to = len(program)


def _emit_repeat(node: Repeat, program: list[Instruction]) -> None:
    for _ in range(node.low):
        _emit(node.node, program)
    if node.high is None:
        start = len(program)
        split = _add(program, Instruction("split"))
        _emit(node.node, program)
        _add(program, Instruction("jump", to=start))
        _direct(split, start + 1, len(program), node.greedy)
        return
    splits = []
    for _ in range(node.high - node.low):
        splits.append((_add(program, Instruction("split")), len(program)))
        _emit(node.node, program)
    for split, inside in splits:
        _direct(split, inside, len(program), node.greedy)


def _direct(split: Instruction, inside: int, outside: int, greedy: bool) -> None:
    split.to, split.other = (inside, outside) if greedy else (outside, inside)


def _is_word(text: str, at: int) -> bool:
    return 0 <= at < len(text) and charsets.contains(charsets.WORDS, ord(text[at]))


_PLACES: dict[str, Callable[[str, int], bool]] = {
    "text_start": lambda text, at: at == 0,
    "text_end": lambda text, at: at == len(text),
    "line_start": lambda text, at: at == 0 or text[at - 1] == "\n",
    "line_end": lambda text, at: at == len(text) or text[at] == "\n",
    "word_edge": lambda text, at: _is_word(text, at - 1) != _is_word(text, at),
    "no_word_edge": lambda text, at: _is_word(text, at - 1) == _is_word(text, at),
}


@dataclass(slots=True)
class _Threads:
    """The threads at one place of the text.

    Attributes:
        waiting: Those before a character or at the end, most preferred first.
        seen: Every instruction that has been reached here; who comes second has nothing to add.
    """

    waiting: list[tuple[int, Slots]] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)


class Machine:
    """Runs one program over texts.

    Args:
        program: Its instructions.
        groups: How many captures it has, the whole match left out.

    Attributes:
        size: How many instructions there are; the steps for each character are at most as many.
    """

    def __init__(self, program: list[Instruction], groups: int) -> None:
        self._program = program
        self.size = len(program)
        self._none: Slots = (-1,) * (2 * groups + 2)

    def search(self, text: str, start: int = 0) -> Slots | None:
        """The leftmost match from ``start`` on, the preferred one of those; None when there is none."""
        best: Slots | None = None
        threads = _Threads()
        for at in range(start, len(text) + 1):
            if best is None:
                self._follow(0, self._none, text, at, threads)
            elif not threads.waiting:
                break
            best, threads = self._advance(threads, text, at, best)
        return best

    def _advance(
        self, threads: _Threads, text: str, at: int, best: Slots | None
    ) -> tuple[Slots | None, _Threads]:
        """Let every thread read one character; a match ends those that are less preferred than it."""
        following = _Threads()
        char = text[at : at + 1]
        for number, slots in threads.waiting:
            accepts = self._program[number].accepts
            if accepts is None:
                return slots, following
            if char and accepts(char):
                self._follow(number + 1, slots, text, at + 1, following)
        return best, following

    def _follow(self, number: int, slots: Slots, text: str, at: int, threads: _Threads) -> None:
        """Add the threads that can be reached without reading, in order of preference."""
        stack = [(number, slots)]
        while stack:
            number, slots = stack.pop()
            if number in threads.seen:
                continue
            threads.seen.add(number)
            instruction = self._program[number]
            action = instruction.action
            if action in ("char", "match"):
                threads.waiting.append((number, slots))
            elif action == "split":
                stack += [(instruction.other, slots), (instruction.to, slots)]
            elif action == "jump":
                stack.append((instruction.to, slots))
            elif action == "save":
                slot = instruction.slot
                stack.append((number + 1, (*slots[:slot], at, *slots[slot + 1 :])))
            elif instruction.place is not None and instruction.place(text, at):
                stack.append((number + 1, slots))
