/** The world of model.test.ts: a host, a stack and its site, another stack, and data in images. */
import * as fs from "node:fs";
import { Secret } from "../../provider/wire";
import { MACHINE_ID, keyPair } from "../grpc/scriptedHost";
import { storePath } from "./operations";
import { Sandbox } from "./sandbox";
import { startSandboxHost } from "./sandboxHost";
import type { SandboxHost } from "./sandboxHost";
import { Stack } from "./stack";
import type { Program } from "./stack";

/** The values of a site. Sizes are in MiB. 0: the volume is not in the site. */
export interface Site {
  vm: boolean;
  running: boolean;
  runner: "a" | "b";
  restart: string;
  sizes: Record<Kept, number>;
}
export type Kept = "retain" | "trash" | "delete";
export const KEPT: readonly Kept[] = ["retain", "trash", "delete"];

export const EMPTY: Site = {
  vm: false,
  running: false,
  runner: "a",
  restart: "",
  sizes: { retain: 0, trash: 0, delete: 0 },
};
const image = (kept: Kept): string => `/var/lib/microvms/kc1/${kept}.img`;

export function programOf({ vm, running, runner, restart, sizes }: Site): Program {
  const common = { host: "hv1", machineId: MACHINE_ID };
  const program: Program = {};
  for (const kept of KEPT.filter((one) => sizes[one] > 0)) {
    const volume = { ...common, vm: "kc1", name: kept, image: image(kept), label: kept };
    program[`Volume ${kept}`] = { ...volume, sizeMiB: sizes[kept], onDelete: kept };
  }
  if (!vm) return program;
  const state = { runner: storePath(runner), toplevel: storePath("system"), running, restart };
  return { ...program, "MicroVm kc1": { ...common, name: "kc1", ...state } };
}

/** Paths of each resource that must not exist after a destroy. */
const LEFT: Record<string, RegExp> = {
  "MicroVm kc1": new RegExp(
    "^(state/(vms|autostart|hardware|guests|memory)|gcroots|units)/" +
      "|^microvms/kc1/(current|booted|old|toplevel)$",
  ),
  "Volume trash": /^state\/volumes\/kc1\.trash|^microvms\/kc1\/trash\.img/,
  "Volume delete": /^state\/volumes\/kc1\.delete|^microvms\/kc1\/delete\.img/,
};
const MAY_STAY = /^$/;

/** A host, the stack under test, and another stack that wants the same objects. */
export class World {
  readonly box = new Sandbox();
  readonly lab = new Stack("lab", () => this.config());
  readonly prod = new Stack("prod", () => this.config());
  site = EMPTY;
  /** Image on the host -> its written data. */
  readonly data = new Map<string, string>();
  private host!: SandboxHost;
  private readonly operator = keyPair();
  private written = 0;

  async start(): Promise<void> {
    this.host = await startSandboxHost(this.box, this.operator.publicKey);
    for (const name of ["a", "b", "c", "system"]) this.box.addToStore(storePath(name));
    await this.up({ ...EMPTY, vm: true, running: true, sizes: { retain: 1, trash: 1, delete: 1 } });
    this.write();
  }

  async stop(): Promise<void> {
    await this.host.ssh.stop();
    this.box.remove();
  }

  /** Disturbs the next operation or a later one. */
  disturb(how: Partial<Pick<SandboxHost, "pass" | "killAt" | "cut">>): void {
    Object.assign(this.host, how);
  }

  calm(): void {
    this.disturb({ pass: 0, killAt: 0, cut: "never" });
  }

  /** Guests write: each existing image has data from now on. */
  write(): void {
    for (const kept of KEPT) {
      const path = this.box.moved(image(kept));
      if (!fs.existsSync(path) || this.data.has(path)) continue;
      const text = `data ${(this.written += 1)}`;
      const file = fs.openSync(path, "r+");
      fs.writeSync(file, text, 4096);
      fs.closeSync(file);
      this.data.set(path, text);
    }
  }

  /** A volume that left the site: at its place until its removal, then in the trash or deleted. */
  forgetRemoved(): void {
    for (const kept of ["trash", "delete"] as const) {
      const path = this.box.moved(image(kept));
      if (this.site.sizes[kept] > 0 || fs.existsSync(path)) continue;
      const text = this.data.get(path);
      if (kept === "trash" && text !== undefined) expect(this.trashed()).toContain(text);
      this.data.delete(path);
    }
  }

  /** Includes an interrupted move to another name, which the next run continues. */
  private trashed(): string[] {
    const trash = this.box.path("state", "trash");
    const names = fs.existsSync(trash) ? fs.readdirSync(trash) : [];
    return names
      .filter((name) => !name.endsWith(".json"))
      .map((name) => readAt(`${trash}/${name}`));
  }

  async check(): Promise<void> {
    // After any lost connection, no operation ran twice.
    expect(this.box.twice()).toEqual([]);
    this.forgetRemoved();
    for (const [path, text] of this.data)
      expect({ path, text: readAt(path) }).toEqual({ path, text });
    this.write();
    await this.lab.refresh();
    this.checkState();
  }

  private checkState(): void {
    for (const kept of KEPT) this.checkVolume(kept);
    this.checkVm();
  }

  private checkVolume(kept: Kept): void {
    const outputs = this.lab.state.get(`Volume ${kept}`)?.outputs;
    if (outputs === undefined) return;
    const path = this.box.moved(image(kept));
    const size = fs.existsSync(path) ? fs.statSync(path).size / 1024 / 1024 : 0;
    expect(outputs).toMatchObject({ sizeMiB: size });
  }

  private checkVm(): void {
    const outputs = this.lab.state.get("MicroVm kc1")?.outputs;
    if (outputs === undefined) return;
    expect(outputs).toMatchObject({
      running: fs.existsSync(this.unit),
      autostart: fs.existsSync(this.box.path("state", "autostart", "kc1")),
      runner: this.linked("current"),
      booted: this.linked("booted"),
    });
  }

  private get unit(): string {
    return this.box.path("units", "microvm@kc1.service");
  }

  private linked(name: string): string {
    const path = this.box.path("microvms", "kc1", name);
    const there = fs.lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
    return there ? this.box.movedBack(fs.readlinkSync(path)) : "";
  }

  /** The minimum content of a volume, on the host or in the state. */
  sizeOf(kept: Kept): number {
    const path = this.box.moved(image(kept));
    const stated = this.lab.state.get(`Volume ${kept}`)?.inputs["sizeMiB"];
    const there = fs.existsSync(path) ? fs.statSync(path).size / 1024 / 1024 : 0;
    return Math.max(there, typeof stated === "number" ? stated : 0);
  }

  /** Stops the VM before a volume changes or leaves, because no VM may use it. */
  async up(site: Site): Promise<void> {
    this.site = site;
    if (KEPT.some((kept) => ![0, site.sizes[kept]].includes(this.sizeOf(kept)))) {
      this.stopVm();
      await this.lab.up(programOf({ ...site, running: false }));
    }
    await this.lab.up(programOf(site));
    // The state after a successful `up` is correct without a refresh.
    expect(this.lab.pending(programOf(site))).toEqual([]);
    this.checkState();
  }

  /**
   * Expects that nothing remains of a VM in the state, except the record of a retained volume.
   * Objects of a killed provider are in no state: the next `up` adopts them, and a destroy does not
   * know them.
   */
  async destroy(): Promise<void> {
    this.site = { ...this.site, vm: false, sizes: EMPTY.sizes };
    const known = [...this.lab.state.keys()];
    // Manually, as the error requires: a volume of a running VM is not removed, and a destroy does
    // not know that VM.
    if (!known.includes("MicroVm kc1")) this.stopVm();
    await this.lab.destroy();
    expect(this.lab.state.size).toBe(0);
    const left = Object.entries(this.box.contents()).flatMap(([path, text]) =>
      text.startsWith("directory ") ? [] : [path],
    );
    const gone = known.map((key) => LEFT[key] ?? MAY_STAY);
    expect(left.filter((path) => gone.some((pattern) => pattern.test(path)))).toEqual([]);
    if (known.includes("Volume retain")) expect(left).toContain("state/volumes/kc1.retain.json");
  }

  stopVm(): void {
    fs.rmSync(this.unit, { force: true });
    fs.rmSync(this.box.path("microvms", "kc1", "booted"), { force: true });
  }

  /** The next `up` changes nothing, and neither does a refresh. */
  async expectConverged(): Promise<void> {
    const before = { contents: this.box.contents(), journal: this.box.journal() };
    expect(await this.lab.preview(programOf(this.site))).toEqual([]);
    expect({ contents: this.box.contents(), journal: this.box.journal() }).toEqual(before);
  }

  private config() {
    const { port, hostKey } = this.host.ssh;
    const hv1 = { address: "127.0.0.1", port, user: "root", hostKey };
    const privateKey = new Secret(this.operator.privateKey);
    return { hosts: JSON.stringify({ hv1 }), agent: "false", privateKey };
  }
}

function readAt(path: string): string {
  if (!fs.existsSync(path)) return "gone";
  const content = fs.readFileSync(path).subarray(4096, 4196).toString();
  return content.slice(0, content.indexOf("\0"));
}
