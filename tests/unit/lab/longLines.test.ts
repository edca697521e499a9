/** The limit of columns in shell scripts and Nix files. */
import { longLines } from "../../../lab/longLines";

test("a line over 100 columns is found, whatever it holds", () => {
  const text = [`# ${"a".repeat(98)}`, `# ${"a".repeat(99)}`, "é".repeat(100), "é".repeat(101)];
  expect(longLines("a.sh", text.join("\n"))).toEqual(["a.sh:2", "a.sh:4"]);
});

test("a line with a URL may be longer", () => {
  expect(longLines("a.nix", `# https://example.com/${"a".repeat(100)}`)).toEqual([]);
});
