/**
 * A hypervisor's network under the real systemd-networkd: network namespaces for the host, its LAN
 * and one VM, and a mount namespace with a /run of its own. It needs root and the systemd-networkd
 * of the machine.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { evaluate } from "./nix";

const daemon = ["/lib/systemd", "/run/current-system/systemd/lib/systemd"]
  .map((directory) => join(directory, "systemd-networkd"))
  .find((file) => existsSync(file));

const settings = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));
const networks = z.record(
  z.string(),
  z.object({
    matchConfig: settings,
    linkConfig: settings,
    networkConfig: settings,
    address: z.array(z.string()),
    gateway: z.array(z.string()),
    dns: z.array(z.string()),
  }),
);
const netdevs = z.record(z.string(), z.object({ netdevConfig: settings }));
const links = z.array(z.object({ addr_info: z.array(z.object({ local: z.string() })) }));
const routes = z.array(z.object({ gateway: z.string().optional(), dev: z.string() }));

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** One section of a unit file, as NixOS writes it. */
function section(name: string, values: z.infer<typeof settings>, more: string[] = []): string {
  const lines = Object.entries(values).map(([key, value]) => `${key}=${String(value)}`);
  return [`[${name}]`, ...lines, ...more, ""].join("\n");
}

/** The unit files of `microvm-bridge` with these options, by file name. */
export function bridgeUnits(options: string): Record<string, string> {
  const found = z.object({ networks, netdevs }).parse(
    evaluate(`let c = t.bridge [ {
        microvm-bridge = { enable = true; physicalNic = "eno1"; ${options} };
      } ];
      in { inherit (c.systemd.network) networks netdevs; }`),
  );
  const files: Record<string, string> = {};
  for (const [name, { netdevConfig }] of Object.entries(found.netdevs)) {
    files[`${name}.netdev`] = section("NetDev", netdevConfig);
  }
  for (const [name, unit] of Object.entries(found.networks)) {
    const lists = [
      ...unit.address.map((value) => `Address=${value}`),
      ...unit.gateway.map((value) => `Gateway=${value}`),
      ...unit.dns.map((value) => `DNS=${value}`),
    ];
    files[`${name}.network`] =
      section("Match", unit.matchConfig) +
      section("Link", unit.linkConfig) +
      section("Network", unit.networkConfig, lists);
  }
  return files;
}

const PLACES = ["host", "lan", "vm"] as const;
type Place = (typeof PLACES)[number];

/** A host with the card `eno1` on a LAN, and a VM on the port `vm-kw1`. */
export class NetworkdHost {
  private readonly places: Record<Place, ChildProcess>;
  private networkd: ChildProcess | undefined;
  private log = "";
  private readonly others: ChildProcess[] = [];

  private constructor(places: Record<Place, ChildProcess>) {
    this.places = places;
  }

  static async start(): Promise<NetworkdHost> {
    if (daemon === undefined) throw new Error("these tests need systemd-networkd");
    if (process.getuid?.() !== 0) throw new Error("these tests need root");
    const place = (flags: string[], setUp: string) =>
      spawn("unshare", ["--net", ...flags, "sh", "-c", `${setUp}; exec sleep 3600`], {
        stdio: "ignore",
      });
    // With a read-only /sys, networkd would not use udev. Unlike on a host, it would then configure
    // a link before it knows the existing addresses. The records of udev mark all links as
    // initialized.
    const mounts = [
      "mount -t tmpfs tmpfs /run",
      "mount -t tmpfs tmpfs /etc/systemd/network",
      "mount -t sysfs sysfs /sys",
      "mkdir -p /run/udev/data /run/systemd/network",
      "for i in 1 2 3 4 5 6 7 8 9; do echo I:1 >/run/udev/data/n$i; done",
      "install -d -o systemd-network -g systemd-network /run/systemd/netif",
    ].join(" && ");
    const host = new NetworkdHost({
      host: place(["--mount"], mounts),
      lan: place([], "true"),
      vm: place([], "true"),
    });
    await host.until("namespaces", () => existsSync(host.path("run/systemd/netif")));
    // Before that a link for them would get into this process's own namespace.
    await host.until("networks", () => PLACES.every((one) => host.hasOwnNetwork(one)));
    host.ip("host", `link add eno1 type veth peer name lan0 netns ${host.pid("lan")}`);
    host.ip("host", `link add vm-kw1 type veth peer name eth0 netns ${host.pid("vm")}`);
    host.ip("lan", "link set lan0 up");
    host.ip("lan", "address add 192.0.2.1/24 dev lan0");
    host.ip("lan", "address add 192.0.2.254/24 dev lan0");
    host.ip("vm", "link set eth0 up");
    host.ip("vm", "address add 192.0.2.31/24 dev eth0");
    return host;
  }

  async stop(): Promise<void> {
    await this.stopNetworkd();
    for (const child of [...this.others, ...Object.values(this.places)]) child.kill("SIGKILL");
  }

  private pid(place: Place): number {
    return this.places[place].pid ?? 0;
  }

  private hasOwnNetwork(place: Place): boolean {
    return readlinkSync(`/proc/${this.pid(place)}/ns/net`) !== readlinkSync("/proc/self/ns/net");
  }

  private path(name: string): string {
    return `/proc/${this.pid("host")}/root/${name}`;
  }

  private within(place: Place, more: string[] = []): string[] {
    return ["-t", String(this.pid(place)), "-n", ...more];
  }

  /** What `ip` prints in a namespace. */
  ip(place: Place, words: string): string {
    const args = [...this.within(place), "ip", ...words.split(" ")];
    const { status, stdout, stderr } = spawnSync("nsenter", args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`${place}: ip ${words}: ${stderr}`);
    return stdout;
  }

  addresses(card: string): string[] {
    const found = links.parse(JSON.parse(this.ip("host", `-j -4 address show dev ${card}`)));
    return found.flatMap(({ addr_info }) => addr_info.map(({ local }) => local));
  }

  /** The default routes in the kernel's order: gateway and card. */
  defaultRoutes(): string[] {
    const found = routes.parse(JSON.parse(this.ip("host", "-j -4 route show default")));
    return found.map(({ gateway, dev }) => `${gateway ?? "none"} ${dev}`);
  }

  async until(what: string, isSo: () => boolean): Promise<void> {
    const deadline = Date.now() + 20_000;
    while (!isSo()) {
      if (Date.now() > deadline) throw new Error(`timed out waiting for ${what}\n${this.log}`);
      await pause(50);
    }
  }

  /** Restarts networkd with these unit files, as a switch of the host does. */
  async restart(files: Record<string, string>): Promise<void> {
    await this.stopNetworkd();
    const directory = this.path("run/systemd/network");
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true });
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
    const child = spawn("nsenter", [...this.within("host", ["-m"]), daemon ?? ""], {
      env: { ...process.env, SYSTEMD_LOG_TARGET: "console", SYSTEMD_LOG_LEVEL: "debug" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.log = "";
    const keep = (chunk: Buffer) => (this.log += chunk.toString());
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    this.networkd = child;
    await this.until("networkd", () => this.log.includes("Enumeration completed"));
  }

  /** Waits until networkd has finished configuring these interfaces. */
  async configured(...cards: string[]): Promise<void> {
    await this.until(`${cards.join(", ")} to be configured`, () =>
      cards.every((card) => this.log.includes(`${card}: State changed: configuring -> configured`)),
    );
  }

  private async stopNetworkd(): Promise<void> {
    const child = this.networkd;
    if (child === undefined) return;
    this.networkd = undefined;
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGTERM");
    await ended;
  }

  /** Records all later changes of addresses and links, as lines of `ip monitor`. */
  async monitor(): Promise<() => string[]> {
    const child = spawn(
      "nsenter",
      [...this.within("host"), "ip", "-o", "monitor", "address", "link"],
      { stdio: ["ignore", "pipe", "ignore"] },
    );
    this.others.push(child);
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    // It listens as soon as it has printed an event.
    await this.until("ip monitor", () => {
      this.ip("host", "link set lo up");
      this.ip("host", "link set lo down");
      return text !== "";
    });
    return () => text.split("\n").filter((line) => line !== "");
  }

  /** Accepts TCP connections on port 7 until `stop`. */
  async listen(place: Place): Promise<void> {
    const program = `require("node:net").createServer((s) => s.on("error", () => {}).end())
      .listen(7, () => console.log("listening"))`;
    const child = spawn("nsenter", [...this.within(place), process.execPath, "-e", program], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    this.others.push(child);
    await new Promise((resolve) => child.stdout.once("data", resolve));
  }

  /**
   * Connects from `place` to an address repeatedly and returns the number of failures. It flushes
   * the ARP entries before each connection. The kernel would renew them only after minutes.
   */
  async failures(place: Place, address: string, seconds: number): Promise<number> {
    const program = `
      const { connect } = require("node:net");
      const { spawnSync } = require("node:child_process");
      const end = Date.now() + ${seconds * 1000};
      let failures = 0;
      const attempt = () => {
        if (Date.now() > end) { console.log(failures); process.exit(0); }
        spawnSync("ip", ["neigh", "flush", "all"]);
        const socket = connect({ host: "${address}", port: 7 });
        const timer = setTimeout(() => socket.destroy(new Error("no answer")), 2000);
        socket.on("error", () => failures++);
        socket.on("connect", () => socket.end());
        socket.on("close", () => { clearTimeout(timer); setTimeout(attempt, 100); });
      };
      attempt();`;
    const child = spawn("nsenter", [...this.within(place), process.execPath, "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.others.push(child);
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    await new Promise((resolve) => child.once("close", resolve));
    return Number(text);
  }
}
