/**
 * Runs the scripts of provider/scripts on this machine, as a host would, below a directory of their own.
 * The four directories of lib.sh and /etc/machine-id are moved there by a change of their text. Stubs
 * stand first in PATH; each says what it stands for and leaves out.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeParameters, script } from "../../provider/hosts/script";

export const MACHINE = "0123456789abcdef0123456789abcdef";
export const NONCE = "n0nce";

/** Scripts that go before one, as the resources send them. */
const SHARED: Record<string, string[]> = {
  "microvm-apply": ["vmm", "memory", "microvm"],
  "microvm-settle": ["vmm", "memory", "microvm"],
  "microvm-remove": ["memory"],
  "volume-apply": ["vmm"],
  "volume-remove": ["vmm"],
  "system-switch": ["system"],
  "system-confirm": ["system"],
  "system-default": ["system"],
  "system-reboot": ["system"],
  "system-settle": ["system"],
  "system-remove": ["system"],
};

/** Counts the commands that may change something, and kills the script's process group before one. */
const COUNTED = `
count=$(($(cat "$BOX/count") + 1))
echo "$count" >"$BOX/count"
[ "$count" != "$KILL_AT" ] || kill -KILL 0
`;

const real = (name: string): string => `exec /usr/bin/env PATH="$REAL_PATH" ${name} "$@"`;

/** Commands as they are, but counted. */
const REAL = ["mkdir", "chmod", "truncate", "mv", "rm", "rmdir", "ln", "find"];

const STUBS: Record<string, string> = {
  logger: `# The journal: the text goes to a file; no tag, no time.
shift 3; echo "$1" >>"$BOX/journal"`,
  chown: "# Ownership needs root: left out.",
  sync: "# Nobody pulls the plug here: left out.",
  install: `# install -d without owners.
for path do case $path in */*) mkdir -p "$path" ;; esac; done`,
  "mkfs.ext4": `# A file system is one line at the start of the image; a second one on top is an error.
for image do :; done
[ "$(head -c 4 "$image")" != ext4 ] || exit 1
printf 'ext4\\n' | dd of="$image" conv=notrunc status=none`,
  e2fsck: "# Finds nothing wrong, ever.",
  resize2fs: `# Writes the size that the file system has behind its name.
stat -c 'ext4 %s' "$1" | dd of="$1" conv=notrunc status=none`,
  "ssh-keygen": `# A key pair that is always the same.
case $1 in
  -y) echo "ssh-ed25519 AAAA" ;;
  *) while [ "$1" != -f ]; do shift; done; echo private >"$2"; echo public >"$2.pub" ;;
esac`,
  "nix-store": "# Every path is valid; nothing is built.",
  "nix-env": `# nix-env --profile P --set X: one generation, and no more.
ln -sfn "$4" "$2-2-link"; ln -sfn "$4" "$2"`,
  journalctl: "# No journal to read from.",
  bootctl: `# The one-shot entry is a file.
case $1 in
  --print-esp-path) echo "$BOX/systems" ;;
  set-oneshot) echo "$2" >"$BOX/systems/oneshot" ;;
esac`,
  "systemd-run": `# A timer is a file, and never fires; what has none runs to its end at once.
for word do
  case $word in --unit=*) unit=\${word#--unit=} ;; --on-active=*) timer=yes ;; esac
done
if [ -n "\${timer:-}" ]; then : >"$BOX/units/$unit.timer"; exit; fi
while [ "$1" != /bin/sh ]; do shift; done
exec "$@"`,
  systemctl: `# A unit is active or not: a file. microvm@NAME also has its booted link. No failed units, no times.
[ "$1" != -q ] || { shift; exec >/dev/null; }
for unit do :; done
name=\${unit#microvm@}; name=\${name%.service}
vm=$BOX/microvms/$name
case $1 in
  is-active) if [ -e "$BOX/units/$unit" ]; then echo active; else echo inactive; exit 3; fi ;;
  start | restart)
    : >"$BOX/units/$unit"
    case $unit in microvm@*) ln -sfn "$(readlink "$vm/current")" "$vm/booted" ;; esac ;;
  list-units | is-system-running) ;;
  stop) for unit do rm -f "$BOX/units/$unit"; done; [ ! -d "$vm" ] || rm -f "$vm/booted" ;;
esac`,
};
/** Tells what is there, and is not counted. */
const BLKID = `#!/bin/sh
# Knows the file system of the mkfs.ext4 beside it.
for image do :; done
if [ "$(head -c 4 "$image")" = ext4 ]; then echo ext4; else exit 2; fi
`;

export interface Ran {
  killed: boolean;
  code: number | null;
  output: string;
  /** Counted commands up to now in this run. */
  steps: number;
}

export class Sandbox {
  readonly root = fs.mkdtempSync(join(tmpdir(), "pulumi-microvm-box-"));

  constructor() {
    for (const name of [
      "bin",
      "units",
      "microvms",
      "state",
      "run",
      "gcroots",
      "systems",
      "profiles",
    ]) {
      fs.mkdirSync(this.path(name));
    }
    fs.writeFileSync(this.path("machine-id"), `${MACHINE}\n`);
    fs.writeFileSync(this.path("journal"), "");
    for (const name of REAL) this.stub(name, COUNTED + real(name));
    for (const [name, text] of Object.entries(STUBS)) {
      this.stub(name, `${COUNTED}PATH=$REAL_PATH\n${text}`);
    }
    fs.writeFileSync(this.path("bin", "blkid"), BLKID, { mode: 0o755 });
  }

  private stub(name: string, text: string): void {
    fs.writeFileSync(this.path("bin", name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }

  path(...names: string[]): string {
    return join(this.root, ...names);
  }

  /**
   * Runs an operation's script; it is killed before its `killAt`th counted command. `part` and
   * `partOfParameters` say how much of the script and of its parameters gets to the host.
   */
  run(
    name: string,
    parameters: Record<string, string>,
    killAt = 0,
    part = 1,
    partOfParameters = 1,
  ): Ran {
    const shared = SHARED[name] ?? [];
    const text = this.moved(script("lib", "begin", ...shared, name));
    fs.writeFileSync(this.path("script"), text.slice(0, Math.floor(text.length * part)));
    fs.writeFileSync(this.path("count"), "0");
    const path = process.env["PATH"] ?? "";
    const common = { operation: "op", machine_id: MACHINE, lock_seconds: "1", nonce: NONCE };
    const input = encodeParameters({ ...common, ...parameters });
    const { status, signal, stdout, stderr } = spawnSync(
      "setsid",
      ["/bin/sh", this.path("script")],
      {
        input: input.slice(0, Math.floor(input.length * partOfParameters)),
        encoding: "utf8",
        cwd: this.root,
        env: {
          PATH: `${this.path("bin")}:${path}`,
          REAL_PATH: path,
          BOX: this.root,
          KILL_AT: String(killAt),
        },
      },
    );
    const steps = Number(fs.readFileSync(this.path("count"), "utf8"));
    return { killed: signal === "SIGKILL", code: status, output: stdout + stderr, steps };
  }

  /** A NixOS system in the box, whose switch-to-configuration ends with this code; its path. */
  makeSystem(name: string, code = 0): string {
    const system = this.path("store", name);
    const units = join(system, "etc", "systemd", "system");
    fs.mkdirSync(join(system, "bin"), { recursive: true });
    fs.mkdirSync(units, { recursive: true });
    fs.writeFileSync(join(units, "pulumi-microvm-boot-trial.service"), "");
    const text = `#!/bin/sh
case $1 in
  test) ln -sfn ${system} "$BOX/systems/current-system" ;;
  boot)
    for link in "$BOX"/profiles/system-*-link; do
      if [ "$(readlink "$link")" = ${system} ]; then entry=nixos-generation-\${link##*/system-}; fi
    done
    mkdir -p "$BOX/systems/loader"
    echo "default \${entry%-link}.conf" >"$BOX/systems/loader/loader.conf" ;;
esac
exit ${code}
`;
    fs.writeFileSync(join(system, "bin", "switch-to-configuration"), text, { mode: 0o755 });
    return system;
  }

  /** The host runs, was booted with, and has as its one generation this system. */
  install(system: string): void {
    for (const name of ["systems/current-system", "systems/booted-system", "profiles/system"]) {
      fs.symlinkSync(system, this.path(name));
    }
    fs.symlinkSync(system, this.path("profiles/system-1-link"));
  }

  /** What runs, and the phase of its trial. */
  running(): { current: string; phase: string } {
    const trial = this.path("state", "systems", "trial");
    return {
      current: fs.readlinkSync(this.path("systems/current-system")).split("/").pop() ?? "",
      phase: fs.existsSync(trial) ? (fs.readFileSync(trial, "utf8").split(" ")[0] ?? "") : "none",
    };
  }

  write(path: string, text: string): void {
    fs.writeFileSync(this.path(path), text);
  }

  private moved(text: string): string {
    const places: [string, string][] = [
      ["MICROVMS=/var/lib/microvms", `MICROVMS=${this.path("microvms")}`],
      ["STATE=/var/lib/pulumi-microvm", `STATE=${this.path("state")}`],
      ["RUN=/run/pulumi-microvm", `RUN=${this.path("run")}`],
      ["GCROOTS=/nix/var/nix/gcroots", `GCROOTS=${this.path("gcroots")}`],
      ["SYSTEMS=/run\n", `SYSTEMS=${this.path("systems")}\n`],
      ["PROFILES=/nix/var/nix/profiles", `PROFILES=${this.path("profiles")}`],
      ["</etc/machine-id", `<${this.path("machine-id")}`],
    ];
    return places.reduce((moved, [from, to]) => {
      if (!moved.includes(from)) throw new Error(`lib.sh has no ${from}`);
      return moved.replace(from, to);
    }, text);
  }

  /** Lines of the journal, each once. */
  journal(): string[] {
    const lines = fs.readFileSync(this.path("journal"), "utf8").trim().split("\n");
    return [...new Set(lines)].map((line) => this.neutral(line)).sort();
  }

  /** All that a script may have made: path -> kind and content; times are left out. */
  contents(): Record<string, string> {
    const found: Record<string, string> = {};
    const walk = (path: string): void => {
      for (const entry of fs.readdirSync(this.path(path), { withFileTypes: true })) {
        const below = join(path, entry.name);
        found[this.neutral(below)] = this.neutral(this.describe(below, entry));
        if (entry.isDirectory()) walk(below);
      }
    };
    for (const top of ["microvms", "state", "gcroots", "units", "systems", "profiles"]) walk(top);
    return found;
  }

  private describe(path: string, entry: fs.Dirent): string {
    const full = this.path(path);
    if (entry.isSymbolicLink()) return `-> ${fs.readlinkSync(full)}`;
    const mode = (fs.statSync(full).mode & 0o777).toString(8);
    if (entry.isDirectory()) return `directory ${mode}`;
    const content = fs.readFileSync(full);
    const start = content.subarray(0, 400).toString("latin1").replace(/\0+$/, "");
    return `file ${mode} ${content.length} ${start}`;
  }

  private neutral(text: string): string {
    return text
      .replaceAll(this.root, "BOX")
      .replace(/\d{8}T\d{6}/g, "TIME")
      .replace(/pulumi-microvm-reboot-\d+/g, "pulumi-microvm-reboot-PID")
      .replace(/"digest":"\w+"/g, '"digest":"..."'); // of a text with the path of the box
  }

  /** Keeps the state as it is now, for `restore`. */
  save(): void {
    fs.cpSync(this.root, `${this.root}.saved`, { recursive: true, verbatimSymlinks: true });
  }

  restore(): void {
    fs.rmSync(this.root, { recursive: true });
    const options = { recursive: true, verbatimSymlinks: true, preserveTimestamps: true };
    fs.cpSync(`${this.root}.saved`, this.root, options);
  }

  remove(): void {
    for (const path of [this.root, `${this.root}.saved`]) {
      fs.rmSync(path, { recursive: true, force: true });
    }
  }
}
