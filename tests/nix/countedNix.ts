/** A wrapper on the PATH that logs each process and then runs the real `nix`. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { findProgram } from "../../components/evaluation/nix";

export class CountedNix {
  private readonly directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-counted-"));
  /** The wrapper, found as `nix`. */
  readonly file = join(this.directory, "nix");
  private readonly log = join(this.directory, "processes");
  private readonly path = process.env["PATH"] ?? "";

  constructor() {
    const real = findProgram("nix");
    if (real === undefined) throw new Error("these tests need nix");
    writeFileSync(this.file, `#!/bin/sh\necho "$@" >>'${this.log}'\nexec '${real.file}' "$@"\n`);
    chmodSync(this.file, 0o755);
    process.env["PATH"] = [this.directory, this.path].join(delimiter);
  }

  remove(): void {
    process.env["PATH"] = this.path;
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** The commands since the last call of this method: `eval`, `flake`, `copy`. */
  processes(): string[] {
    const lines = existsSync(this.log) ? readFileSync(this.log, "utf8").trimEnd().split("\n") : [];
    rmSync(this.log, { force: true });
    return lines.map((line) => /flakes (\w+)/.exec(line)?.[1] ?? line);
  }
}
