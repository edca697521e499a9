/**
 * Runs the scripts of provider/scripts on this machine like a host, below a separate directory. The
 * directories of lib.sh, /etc/machine-id and /proc/PID of a VMM are replaced in the text of the
 * scripts. Stubs are first in PATH: stubs.ts.
 */
import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeParameters, script } from "../../provider/hosts/transport/script";
import { COUNTED, E2FSPROGS, REAL, STUBS, UNCOUNTED } from "./stubs";

export const MACHINE = "0123456789abcdef0123456789abcdef";
export const NONCE = "n0nce";

const PLACES: [string, string][] = [
  ["/var/lib/microvms", "microvms"],
  ["/var/lib/pulumi-microvm", "state"],
  ["/run/pulumi-microvm", "run"],
  ["/nix/var/nix/gcroots", "gcroots"],
  ["/nix/var/nix/profiles", "profiles"],
  ["/nix/store", "store"],
  ["/etc/machine-id", "machine-id"],
  ["/etc/systemd/system/k0s.service", "etc/k0s.service"],
  ["/proc/$vmm_pid", "vmm"],
];

export interface Ran {
  killed: boolean;
  code: number | null;
  output: string;
  /** The number of counted commands so far in this run. */
  steps: number;
}

export class Sandbox {
  readonly root = fs.mkdtempSync(join(tmpdir(), "pulumi-microvm-box-"));
  private readonly copies = new Set<string>();

  /** `realFileSystems`: uses e2fsprogs and blkid of this machine. */
  constructor({ realFileSystems = false } = {}) {
    for (const name of [
      "bin",
      "units",
      "vmm",
      "microvms",
      "state",
      "run",
      "gcroots",
      "systems",
      "profiles",
      "store",
      "etc",
    ]) {
      fs.mkdirSync(this.path(name));
    }
    fs.writeFileSync(this.path("machine-id"), `${MACHINE}\n`);
    fs.writeFileSync(this.path("journal"), "");
    const e2fsprogs = realFileSystems ? E2FSPROGS : {};
    for (const [name, text] of REAL) this.stub(name, COUNTED + text);
    for (const [name, text] of Object.entries({ ...STUBS, ...e2fsprogs })) {
      this.stub(name, `${COUNTED}PATH=$REAL_PATH\n${text}`);
    }
    for (const [name, text] of Object.entries(UNCOUNTED)) this.stub(name, text);
    if (realFileSystems) fs.rmSync(this.path("bin", "blkid"));
  }

  private stub(name: string, text: string): void {
    fs.writeFileSync(this.path("bin", name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }

  path(...names: string[]): string {
    return join(this.root, ...names);
  }

  /**
   * Runs the script of an operation and kills it before its `killAt`th counted command. `part` and
   * `partOfParameters` limit how much of the script and of its parameters reaches the host.
   */
  run(
    name: string,
    parameters: Record<string, string>,
    killAt = 0,
    part = 1,
    partOfParameters = 1,
  ): Ran {
    // After an operation, the sandbox answers with the probe of a hypervisor.
    const before = name === "operate" ? ["probe"] : [];
    const text = this.moved(script(...before, name));
    fs.writeFileSync(this.path("script"), text.slice(0, Math.floor(text.length * part)));
    fs.writeFileSync(this.path("count"), "0");
    const common = {
      operation: "op",
      doing: name,
      machine_id: MACHINE,
      wait_seconds: "1",
      nonce: NONCE,
    };
    const input = encodeParameters({ ...common, ...parameters });
    const { status, signal, stdout, stderr } = spawnSync(
      "setsid",
      ["/bin/sh", this.path("script")],
      {
        input: input.slice(0, Math.floor(input.length * partOfParameters)),
        encoding: "utf8",
        cwd: this.root,
        env: this.environment(killAt),
      },
    );
    const steps = Number(fs.readFileSync(this.path("count"), "utf8"));
    // The stage markers of an operation are not part of its result.
    const output = (stdout + stderr).replace(
      new RegExp(`^${NONCE} (waiting|working)\\n`, "gm"),
      "",
    );
    return { killed: signal === "SIGKILL", code: status, output, steps };
  }

  /** Fires a timer: runs its command. */
  fire(timer: string): { code: number | null; output: string } {
    const [shell = "", ...words] = fs
      .readFileSync(this.path(`timer-${timer}`), "utf8")
      .split("\0")
      .slice(0, -1);
    const { status, stdout, stderr } = spawnSync(shell, words, {
      encoding: "utf8",
      cwd: this.root,
      env: this.environment(0),
    });
    return { code: status, output: stdout + stderr };
  }

  /** The environment of a script, which is killed before its `killAt`th counted command. */
  environment(killAt: number): Record<string, string> {
    const path = process.env["PATH"] ?? "";
    return {
      PATH: `${this.path("bin")}:${path}`,
      REAL_PATH: path,
      TMPDIR: this.path("run"),
      BOX: this.root,
      KILL_AT: String(killAt),
    };
  }

  /**
   * Creates a NixOS system whose switch-to-configuration exits with this code. Returns its path.
   */
  makeSystem(name: string, code = 0): string {
    const system = this.path("store", name);
    const units = join(system, "etc", "systemd", "system");
    fs.mkdirSync(join(system, "bin"), { recursive: true });
    fs.mkdirSync(units, { recursive: true });
    fs.writeFileSync(join(units, "pulumi-microvm-boot-trial.service"), "");
    const text = `#!/bin/sh
case $1 in
  test | switch) ln -sfn ${system} "$BOX/systems/current-system" ;;
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

  /** Makes this system the running, the booted and the only generation of the host. */
  install(system: string): void {
    for (const name of ["systems/current-system", "systems/booted-system", "profiles/system"]) {
      fs.symlinkSync(system, this.path(name));
    }
    fs.symlinkSync(system, this.path("profiles/system-1-link"));
  }

  /** The running system, and the phase of its trial. */
  running(): { current: string; phase: string } {
    return {
      current: fs.readlinkSync(this.path("systems/current-system")).split("/").pop() ?? "",
      phase: this.trial()[0] ?? "none",
    };
  }

  /** The fields of the trial's line. Empty without a trial. */
  trial(): string[] {
    const file = this.path("state", "systems", "trial");
    return fs.existsSync(file) ? fs.readFileSync(file, "utf8").trim().split(" ") : [];
  }

  write(path: string, text: string): void {
    fs.writeFileSync(this.path(path), text);
  }

  /** Replaces the host's paths in a text with those of the sandbox. */
  moved(text: string): string {
    const systems = text.replace("SYSTEMS=/run\n", `SYSTEMS=${this.path("systems")}\n`);
    return PLACES.reduce((moved, [from, to]) => moved.replaceAll(from, this.path(to)), systems);
  }

  /** Replaces the sandbox's paths in a text with those of a host. */
  movedBack(text: string): string {
    return PLACES.reduce((moved, [from, to]) => moved.replaceAll(this.path(to), from), text);
  }

  /** Creates files with the paths of a host as `contents` describes them. */
  fill(files: Readonly<Record<string, string>>): void {
    for (const [path, text] of Object.entries(files)) {
      const [, mode = "", size = "", start = ""] = /^\w+ (\d+) ?(\d*) ?([^]*)$/.exec(text) ?? [];
      const full = this.path(path);
      if (text.startsWith("-> ")) fs.symlinkSync(this.moved(text.slice(3)), full);
      else if (text.startsWith("directory ")) fs.mkdirSync(full, { mode: parseInt(mode, 8) });
      else {
        fs.writeFileSync(full, this.moved(start), { mode: parseInt(mode, 8) });
        if (!path.endsWith(".json")) fs.truncateSync(full, Number(size));
      }
    }
  }

  /** Makes microvm@kc1 a QEMU with a control socket and this image. */
  startQemu(image: string): void {
    const drive = `id=vda,format=raw,file=${image},if=none`;
    const words = ["qemu", "-qmp", "unix:kc1.sock,server,nowait", "-drive", drive];
    fs.writeFileSync(this.path("vmm", "cmdline"), `${words.join("\0")}\0`);
    const runner = this.path("store", "qemu");
    fs.mkdirSync(join(runner, "bin"), { recursive: true });
    fs.writeFileSync(join(runner, "bin", "microvm-balloon"), "", { mode: 0o755 });
    const booted = this.path("microvms", "kc1", "booted");
    fs.rmSync(booted, { force: true });
    fs.symlinkSync(runner, booted);
  }

  /** Creates a path in the store. */
  addToStore(path: string): void {
    fs.writeFileSync(this.moved(path), "");
  }

  /** Lines of the journal without repetitions. */
  journal(): string[] {
    const lines = fs.readFileSync(this.path("journal"), "utf8").trim().split("\n");
    return [...new Set(lines)].map((line) => this.neutral(line)).sort();
  }

  /** Units and journal lines that occur more than once for the same operation id. */
  twice(): string[] {
    const lines = ["started", "journal"].flatMap((file) => {
      const path = this.path(file);
      return fs.existsSync(path) ? fs.readFileSync(path, "utf8").trim().split("\n") : [];
    });
    return lines.filter((line, index) => line !== "" && lines.indexOf(line) !== index);
  }

  /** All objects that a script may have created: path -> kind and content, without times. */
  contents(): Record<string, string> {
    const found: Record<string, string> = {};
    const walk = (path: string): void => {
      for (const entry of fs.readdirSync(this.path(path), { withFileTypes: true })) {
        const below = join(path, entry.name);
        found[this.neutral(below)] = this.neutral(this.describe(below, entry));
        if (entry.isDirectory()) walk(below);
      }
    };
    const tops = ["microvms", "state", "gcroots", "units", "vmm", "systems", "profiles"];
    for (const top of tops) walk(top);
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
      .replace(/"digest":"\w+"/g, '"digest":"..."'); // of a text that contains the sandbox's path
  }

  /** Saves the current state for `restore`. */
  save(name = "saved"): void {
    const saved = `${this.root}.${name}`;
    this.copies.add(saved);
    copy(this.root, saved);
  }

  restore(name = "saved"): void {
    fs.rmSync(this.root, { recursive: true });
    copy(`${this.root}.${name}`, this.root);
  }

  remove(): void {
    for (const path of [this.root, ...this.copies]) {
      fs.rmSync(path, { recursive: true, force: true });
    }
  }
}

/** Node's cpSync does not preserve the modes of directories. */
function copy(from: string, to: string): void {
  execFileSync("cp", ["-aT", from, to]);
}
