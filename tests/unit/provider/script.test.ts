import { execFileSync } from "node:child_process";
import * as fc from "fast-check";
import {
  COMMAND,
  encodeParameters,
  encodeStdin,
  script,
} from "../../../provider/hosts/transport/script";

const nonce = "n0nce";

/** Runs a script exactly as a host does: the constant command, and everything else on stdin. */
function onHost(text: string, parameters: Record<string, string>, payload = ""): string {
  const stdin = encodeStdin(text, { ...parameters, nonce }, payload);
  return execFileSync("/bin/sh", ["-c", COMMAND], { input: stdin, encoding: "utf8" });
}

describe("scripts on a host", () => {
  const echo = `${script("lib")}\nread_parameters\nprintf '%s' "$p_value"\n`;

  test("a value reaches the script unchanged and is never executed", () => {
    const nasty = fc
      .string({ unit: "grapheme", maxLength: 60 })
      // eslint-disable-next-line no-control-regex
      .map((text) => text.replace(/[\u0000-\u001f\u007f]/g, ""));
    const known = fc.constantFrom(
      "$(id)",
      "`id`",
      "';id;'",
      '"$x"',
      "-rf",
      "--help",
      "a\\nb",
      "*",
      "%s%n",
      "=a=b",
      " a ",
      "\\",
    );
    fc.assert(
      fc.property(fc.oneof(nasty, known), (value) => {
        expect(onHost(echo, { value })).toBe(value);
      }),
      { numRuns: 60 },
    );
  });

  test("a line break in a value is rejected", () => {
    for (const value of ["a\nb", "a\0b", "a\rb", "\u001b[2J"]) {
      expect(() => encodeParameters({ value })).toThrow("control characters");
    }
  });

  test("the payload after the parameters is left to the script", () => {
    expect(onHost(`${script("lib")}\nread_parameters\ncat\n`, { value: "x" }, "a\n\0b\n")).toBe(
      "a\n\0b\n",
    );
  });

  test("fail and finish print the nonce", () => {
    expect(onHost(`${script("lib")}\nread_parameters\nfinish\n`, {})).toBe(`${nonce} done\n`);
  });
});
