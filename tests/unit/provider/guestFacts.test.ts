/** The parser of a guest's probe: an incomplete answer is an error that names the missing fact. */
import { parseGuestFacts } from "../../../provider/hosts/facts/guestFacts";

const SYSTEM = `/nix/store/${"0".repeat(32)}-system`;
const LINES = [
  "taken\t12345",
  "boot-id\t01234567-89ab-cdef-0123-456789abcdef",
  `machine-id\t${"a".repeat(32)}`,
  "hostname\tkw1",
  "clock\t1700000000",
  `system\t${SYSTEM}`,
  "probed\t",
];

const without = (kind: string): string[] => LINES.filter((line) => !line.startsWith(`${kind}\t`));

test("all facts", () => {
  expect(parseGuestFacts("kw1", LINES, 1_700_000_001)).toEqual({
    takenAt: 12345,
    bootId: "01234567-89ab-cdef-0123-456789abcdef",
    machineId: "a".repeat(32),
    hostname: "kw1",
    clockSeconds: 1_700_000_000,
    readAtSeconds: 1_700_000_001,
    system: SYSTEM,
    k0s: undefined,
  });
});

test("a newer probe's other facts are ignored", () => {
  expect(parseGuestFacts("kw1", ["k1s\tcontroller", ...LINES], 0).hostname).toBe("kw1");
});

test.each(["taken", "boot-id", "machine-id", "hostname", "clock", "system", "probed"])(
  "an answer without %s is an error that names it",
  (kind) => {
    expect(() => parseGuestFacts("kw1", without(kind), 0)).toThrow(
      `kw1: the answer of the guest's probe lacks ${kind}`,
    );
  },
);

test.each([
  ["machine-id", "A".repeat(32)],
  ["machine-id", ""],
  ["taken", "-1"],
  ["clock", "soon"],
  ["boot-id", "../x"],
  ["system", "/run/current-system"],
  ["system", `${SYSTEM}/../x`],
])("%s %s is not accepted", (kind, value) => {
  expect(() => parseGuestFacts("kw1", [...without(kind), `${kind}\t${value}`], 0)).toThrow(kind);
});

test("a repeated fact is an error, because a guest can print anything", () => {
  const lines = [...LINES, `machine-id\t${"b".repeat(32)}`];
  expect(() => parseGuestFacts("kw1", lines, 0)).toThrow("has machine-id twice");
});
