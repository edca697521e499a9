/** Substitutions as Flux's envsubst makes them. */
import { substitute } from "../../../../components/gitops/tree/envsubst/evaluate";
import { SubstitutionError } from "../../../../components/gitops/tree/envsubst/parser";

const VARIABLES: Readonly<Record<string, string>> = {
  name: "abcdEFGH28ij",
  upper: "ABCdef",
  path: "/home/bozo/ideas/thoughts.for.today",
  file: "bash.string.txt",
  repeated: "abcABC123ABCabc",
  slashes: "foo/bar/baz",
  dots: "foo.bar",
  word: "foo",
  umlaut: "äb",
};
const evaluated = (text: string): string => substitute(text, (name) => VARIABLES[name]);

test.each([
  ["", ""],
  ["no variables, but $5 and $ and }", "no variables, but $5 and $ and }"],
  ["${name}", "abcdEFGH28ij"],
  ["${name}${word}-${name}", "abcdEFGH28ijfoo-abcdEFGH28ij"],
  ["a${none:=}b", "ab"],
  // Length and case.
  ["${#name}", "12"],
  ["${#umlaut}", "3"],
  ["${word^}", "Foo"],
  ["${word^^}", "FOO"],
  ["${upper,}", "aBCdef"],
  ["${upper,,}", "abcdef"],
  // Substrings.
  ["${path:11}", "ideas/thoughts.for.today"],
  ["${path:11:5}", "ideas"],
  ["${path:99}", ""],
  ["${path:30:99}", "today"],
  ["${path: -5}", "/home/bozo/ideas/thoughts.for.today"],
  ["${path:x}", "/home/bozo/ideas/thoughts.for.today"],
  ["${umlaut:2}", "b"],
  // Defaults.
  ["${word=xyz}", "foo"],
  ["${none=xyz}", "xyz"],
  ["${none:=xyz}", "xyz"],
  ["${none:-xyz}", "xyz"],
  ["${none:+xyz}", "xyz"],
  ["${none:?xyz}", "xyz"],
  ["${word:-xyz}", "foo"],
  ["${none:=}", ""],
  ["${none:=https://example.org:80/a b}", "https://example.org:80/a b"],
  ["${none=${word}}", "foo"],
  ["${none:=${word}-suffix}", "foo-suffix"],
  ["${none:=prefix-${word}-suffix}", "prefix-foo-suffix"],
  ["${none=${name^^}}", "ABCDEFGH28IJ"],
  ["${none:=${other:=deep}}", "deep"],
  // Replacements.
  ["${repeated/abc/xyz}", "xyzABC123ABCabc"],
  ["${repeated//abc/xyz}", "xyzABC123ABCxyz"],
  ["${repeated/#abc/XYZ}", "XYZABC123ABCabc"],
  ["${repeated/%abc/XYZ}", "abcABC123ABCXYZ"],
  ["${repeated/#ABC/XYZ}", "abcABC123ABCabc"],
  ["${dots/./}", "foobar"],
  ["${word/foo/$&}", "$&"],
  ["${slashes/\\//-}", "foo-bar/baz"],
  ["${slashes//\\//-}", "foo-bar-baz"],
  // Trims.
  ["${file#*.}", "string.txt"],
  ["${file##*.}", "txt"],
  ["${file%.*}", "bash.string"],
  ["${file%%.*}", "bash"],
  ["${slashes#*/}", "bar/baz"],
  ["${slashes##*/}", "baz"],
  ["${word#x}", "foo"],
  ["${word#f?}", "o"],
  ["${word#[a-f]}", "oo"],
  ["${word#[^a-f]}", "foo"],
  ["${word#[}", "foo"],
  // Escapes.
  ["$${name}", "${name}"],
  ["text ${word}$${a$${b}$c${word}", "text foo${a${b}$cfoo"],
  ["$${a=${word}}", "${a=foo}"],
  ["a \\\\ b \\/ ${word}", "a \\\\ b \\/ foo"],
  ["$$", "$"],
  ["100$ $(date)", "100$ $(date)"],
  ["{{ $x }} ${word}", "{{ $x }} foo"],
])("%j is %j", (text, expected) => {
  expect(evaluated(text)).toBe(expected);
});

test.each([
  ["${", "unable to parse variable name"],
  ["${}", "unable to parse variable name"],
  ["${ word}", "unable to parse variable name"],
  ["${word", "missing closing brace"],
  ["${word-x}", "missing closing brace"],
  ["${word.x}", "missing closing brace"],
  ["${word:=x", "unable to parse substitution within function"],
  ["${word/x}", "bad substitution"],
  ["${word:0:-1}", "the length -1 of a substring is negative"],
])("%j is refused", (text, message) => {
  expect(() => evaluated(text)).toThrow(SubstitutionError);
  expect(() => evaluated(text)).toThrow(message);
});

test.each(["${NONE}", "${#NONE}", "${NONE^^}", "${NONE/a/b}", "${NONE:1}", "${A:=${NONE}}"])(
  "%s: a variable that is not set is an error",
  (text) => {
    expect(() => evaluated(text)).toThrow("variable not set: NONE; ${NONE:=} is empty then");
  },
);
