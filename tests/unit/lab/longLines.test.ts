/** The limit of 100 columns: ESLint for TypeScript, `verify` for shell scripts and Nix files. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { z } from "zod";
import { longLines } from "../../../lab/longLines";
import { verify } from "../../../lab/verify";

const repository = resolve(__dirname, "..", "..", "..");

test("a line over 100 columns is found, with any content", () => {
  const text = [`# ${"a".repeat(98)}`, `# ${"a".repeat(99)}`, "é".repeat(100), "é".repeat(101)];
  expect(longLines("a.sh", text.join("\n"))).toEqual(["a.sh:2", "a.sh:4"]);
});

test("a line with a URL may be longer", () => {
  expect(longLines("a.nix", `# https://example.com/${"a".repeat(100)}`)).toEqual([]);
});

describe("verify", () => {
  let root: string;
  const path = process.env["PATH"];
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "pulumi-microvm-verify-"));
    mkdirSync(join(root, "programs"));
    for (const program of ["tsc", "eslint", "prettier", "shellcheck", "nix-instantiate"]) {
      writeFileSync(join(root, "programs", program), "#!/bin/sh\n", { mode: 0o755 });
    }
    process.env["PATH"] = `${join(root, "programs")}:${path ?? ""}`;
  });
  afterEach(() => {
    process.env["PATH"] = path;
    rmSync(root, { recursive: true });
  });

  test.each([
    ["a.sh", ""],
    ["a.nix", ""],
    ["program", "#!/bin/sh\n"],
  ])("fails if %s has a line over 100 columns", async (file, head) => {
    writeFileSync(join(root, file), `${head}# ${"a".repeat(98)}\n`);
    expect(await verify(root)).toBe(0);
    writeFileSync(join(root, file), `${head}# ${"a".repeat(99)}\n`);
    expect(await verify(root)).toBe(1);
  });
});

test.each(["provider/server.ts", "tests/unit/lab/longLines.test.ts", "eslint.config.mjs"])(
  "ESLint limits code, comments and strings in %s",
  (file) => {
    const eslint = join(repository, "node_modules", "eslint", "bin", "eslint.js");
    const printed = execFileSync(process.execPath, [eslint, "--print-config", file], {
      cwd: repository,
      encoding: "utf8",
    });
    const { rules } = z
      .object({ rules: z.record(z.string(), z.unknown()) })
      .parse(JSON.parse(printed));
    expect(rules["max-len"]).toEqual([2, { code: 100, ignoreUrls: true }]);
  },
);
