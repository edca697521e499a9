/** Small flakes, each in its own directory with its own cache. */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Run } from "../../components/evaluation/nix";
import { CountedNix } from "./countedNix";
import { repository } from "./nix";

/** flake.nix with `machine` as the Nix expression for each machine. */
export function flakeText(machine = "deployment name", more = ""): string {
  return `{
  inputs.site = { url = "path:./site"; flake = false; };
  ${more}
  outputs = { site, ... }:
    let
      data = builtins.fromJSON (builtins.readFile "\${site}/site.json");
      build = name: script: derivation {
        inherit name script;
        system = "x86_64-linux";
        builder = "/bin/sh";
        args = [ "-c" "eval \\"$script\\"" ];
        PATH = "/usr/bin:/bin";
      };
      pathsOf = drv: {
        drvPath = builtins.unsafeDiscardStringContext drv.drvPath;
        outputs.out = builtins.unsafeDiscardStringContext drv.outPath;
      };
      runner = name:
        build "runner-\${name}" "echo \${toString data.machines.\${name}.vcpu} > $out";
      deployment = name: pathsOf (runner name) // {
        toplevel = pathsOf (build "system-\${name}" "echo > $out");
        closureInfo = pathsOf (build "info-\${name}" "echo > $out");
        hardware = "";
        packages.hello = "2.12";
        k0s = { version = "1.36.3+k0s.2"; unit = "u"; configuration = "c"; };
      };
      machine = name:
        builtins.addErrorContext "while evaluating machine \${name} of the site"
          (let it = ${machine}; in builtins.deepSeq it it);
    in
    {
      pulumiMicrovm = {
        version = 1;
        machines = builtins.mapAttrs (name: _: machine name) data.machines;
      };
    };
}
`;
}

/**
 * A temporary directory with a flake and a cache, and a `nix` on the PATH that counts processes.
 */
export class Workplace {
  readonly directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-flake-"));
  readonly flake = join(this.directory, "flake");
  readonly site = join(this.directory, "site");
  readonly cache = join(this.directory, "cache", "pulumi-microvm", "evaluations");
  readonly nix = new CountedNix();
  private readonly before = { ...process.env };

  constructor() {
    Object.assign(process.env, {
      XDG_CACHE_HOME: join(this.directory, "cache"),
      NIX_CONF_DIR: join(repository, "lab", "flake", "etc", "nix"),
    });
    this.write(flakeText());
  }

  remove(): void {
    for (const name of ["XDG_CACHE_HOME", "NIX_CONF_DIR"]) {
      const value = this.before[name];
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
    this.nix.remove();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Writes flake.nix, with the fallback of its input `site`. */
  write(text: string): void {
    mkdirSync(join(this.flake, "site"), { recursive: true });
    writeFileSync(join(this.flake, "site", "site.json"), '{"machines":{}}');
    writeFileSync(join(this.flake, "flake.nix"), text);
  }
}

/** Runs a command like the plugin `command`, with the same error. */
export const run: Run = (command, environment) =>
  new Promise((resolve, reject) => {
    const child = spawn("/bin/sh", ["-c", command], {
      env: { ...process.env, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    let both = "";
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
      both += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
      both += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve({ stdout: stdout.replace(/\n$/, ""), stderr });
      else reject(new Error(`exit status ${code}: running ${JSON.stringify(command)}:\n${both}`));
    });
  });
