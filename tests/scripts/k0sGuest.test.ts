/** The steps that a guest with k0s takes by itself, with a small k0s that behaves like the real. */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { gzipSync } from "node:zlib";
import { dummyToken } from "../../provider/cluster/joinToken";
import { parseGuestFacts } from "../../provider/hosts/facts/guestFacts";
import type { K0sFacts } from "../../provider/hosts/facts/k0sFacts";
import { encodeParameters, script } from "../../provider/hosts/transport/script";
import { CA_FINGERPRINT, installK0s } from "./fakeK0s";
import { NONCE, Sandbox } from "./sandbox";
import type { Ran } from "./sandbox";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => box.remove());

const RECORD = '{"version":1,"urn":"u","cluster":"production","digest":"d"}';
const kubeconfig = [
  "    server: https://192.0.2.21:9443",
  "    user: controller-bootstrap",
  "    token: abc123.0123456789abcdef",
].join("\n");
const TOKEN = gzipSync(kubeconfig).toString("base64");

const OWNER = { stack: "prod", project: "microvms" };
const FOUND = { cluster: "production", record: RECORD, seconds: "5", ...OWNER };
const found = (more = {}, killAt = 0): Ran => box.run("k0s-found", { ...FOUND, ...more }, killAt);
const join = (more = {}): Ran =>
  box.run("k0s-join", {
    cluster: "production",
    record: RECORD,
    token: TOKEN,
    seconds: "5",
    ...more,
  });
const read = (name: string): string | undefined =>
  fs.existsSync(box.path(name)) ? fs.readFileSync(box.path(name), "utf8").trim() : undefined;
const modeOf = (name: string): string => (fs.statSync(box.path(name)).mode & 0o777).toString(8);

/** A script that is no operation. */
function ask(names: string[], parameters: Record<string, string> = {}): string {
  return spawnSync("/bin/sh", ["-c", box.moved(script(...names))], {
    input: encodeParameters({ nonce: NONCE, ...parameters }),
    encoding: "utf8",
    cwd: box.root,
    env: box.environment(0),
  }).stdout;
}

function facts(): K0sFacts | undefined {
  fs.rmSync(box.path("systems", "current-system"), { force: true });
  return parseGuestFacts("kc1", ask(["guest-probe", "read"]).split("\n"), 0).k0s;
}

describe("the facts", () => {
  test("a guest without the unit has none", () => {
    expect(facts()).toBeUndefined();
  });

  test("a unit that never ran", () => {
    installK0s(box);
    expect(facts()).toEqual({
      role: "controller",
      cluster: "production",
      unit: "inactive",
      hasData: false,
      token: "none",
      mark: undefined,
      stopped: undefined,
      record: undefined,
      caFingerprint: undefined,
      identity: undefined,
      version: undefined,
      isApiReady: false,
      etcdMembers: undefined,
    });
  });

  test("a running controller", () => {
    installK0s(box);
    expect(found()).toMatchObject({ code: 0 });
    const running = facts();
    expect(running?.identity?.expires.getUTCFullYear()).toBe(2126);
    expect(running).toMatchObject({
      unit: "active",
      hasData: true,
      record: RECORD,
      caFingerprint: CA_FINGERPRINT,
      version: "v1.36.3+k0s.2",
      isApiReady: true,
      etcdMembers: { kc1: "https://192.0.2.21:2380" },
    });
  });

  test("a status that blocks is given up, and hides no other fact", () => {
    installK0s(box, "worker");
    expect(join({ token: workerToken() })).toMatchObject({ code: 0 });
    box.write("k0s/blocked", "");
    expect(facts()).toMatchObject({ unit: "active", version: undefined, hasData: true });
  }, 20_000);

  test.each([
    ["none", ""],
    ["real", TOKEN],
    ["dummy", dummyToken("controller")],
    ["invalid", "text"],
  ])("a token file with %s", (kind, text) => {
    installK0s(box);
    box.write("k0stoken", text);
    expect(facts()?.token).toBe(kind);
  });
});

function workerToken(): string {
  const text = kubeconfig.replace("controller-bootstrap", "kubelet-bootstrap");
  return gzipSync(text).toString("base64");
}

describe("founding", () => {
  beforeEach(() => installK0s(box));

  test("starts once without a token, and consumes the mark", () => {
    box.write("k0s/slow", "2");
    box.write("k0stoken", TOKEN);
    expect(found()).toMatchObject({ code: 0 });
    expect(read("k0s/starts")).toBe("K0S_TOKEN_ARGUMENT=");
    expect(read("run/k0s-found")).toBeUndefined();
    expect(read("data/pulumi-microvm/cluster.json")).toBe(RECORD);
    expect(modeOf("data/pki/pulumi-microvm.key")).toBe("600");
    expect(read("k0s/identities")).toMatch(/--groups=system:masters/);
  });

  test("a second call changes nothing", () => {
    found();
    expect(found()).toMatchObject({ code: 0 });
    expect(read("k0s/starts")).toBe("K0S_TOKEN_ARGUMENT=");
    expect(read("k0s/identities")?.split("\n")).toHaveLength(1);
  });

  test("data that is there is resumed, without a mark", () => {
    found();
    box.run("k0s-stop", { reason: "destroyed" });
    expect(found()).toMatchObject({ code: 0 });
    expect(read("k0s/starts")).toMatch(/^K0S_TOKEN_ARGUMENT=\nK0S_TOKEN_ARGUMENT=--token-file=/);
  });

  test("an API that does not answer is an error that names the wait", () => {
    box.write("k0s/slow", "1000");
    const ran = found({ seconds: "1" });
    expect(ran.output).toContain("timed out after 1 s waiting until the API answers");
  });

  test("records its owner in the API, once the namespace exists", () => {
    expect(ask(["k0s-owner-read"])).not.toContain("owner");
    box.write("k0s/no-namespace", "2");
    expect(found()).toMatchObject({ code: 0 });
    expect(read("k0s/owner")).toBe("prod\tmicrovms");
    expect(ask(["k0s-owner-read"])).toContain("owner\tprod\tmicrovms\n");
  });

  test("a cluster of another stack is refused and named, and gets no record of ours", () => {
    found();
    box.write("k0s/owner", "other\tmicrovms");
    fs.rmSync(box.path("data/pulumi-microvm/cluster.json"));
    const ran = found();
    expect(ran.output).toContain(
      "fail owned\tthe cluster production belongs to the stack other of microvms",
    );
    expect(read("data/pulumi-microvm/cluster.json")).toBeUndefined();
    expect(read("k0s/owner")).toBe("other\tmicrovms");
  });

  test("a cluster of nobody gets the record when it is taken over", () => {
    found();
    fs.rmSync(box.path("k0s/owner"));
    expect(found()).toMatchObject({ code: 0 });
    expect(read("k0s/owner")).toBe("prod\tmicrovms");
  });

  test("a system for another cluster is refused before anything changes", () => {
    const ran = found({ cluster: "other" });
    expect(ran.output).toContain("fail foreign\tthe guest's system is for the cluster production");
    expect(read("k0s/starts")).toBeUndefined();
    expect(read("run/k0s-found")).toBeUndefined();
  });

  test("ends right after it was killed at any step, and founds one cluster", () => {
    box.save();
    const { steps } = found();
    for (let killAt = 1; killAt <= steps; killAt++) {
      box.restore();
      expect(found({}, killAt).killed).toBe(true);
      expect(found()).toMatchObject({ code: 0 });
      const starts = read("k0s/starts")?.split("\n") ?? [];
      expect(starts.filter((line) => line === "K0S_TOKEN_ARGUMENT=")).toHaveLength(1);
      expect(read("run/k0s-found")).toBeUndefined();
    }
    expect(steps).toBeGreaterThan(3);
  });
});

test("a worker does not found a cluster", () => {
  installK0s(box, "worker");
  expect(found().output).toContain("the guest's unit k0s is that of a worker, not a controller");
});

describe("tokens", () => {
  beforeEach(() => {
    installK0s(box);
    found();
    box.write("k0s/token", TOKEN);
  });

  test("a token is printed for the provider, and invalidated by its id", () => {
    const lines = ask(["k0s-token"], { role: "worker", expiry: "15m" });
    expect(lines).toContain(`token\t${TOKEN}\n`);
    expect(read("k0s/tokens")).toContain("--role=worker --expiry=15m");
    const run = { role: "worker", id: "abc123" };
    expect(box.run("k0s-token-invalidate", run)).toMatchObject({ code: 0 });
    expect(read("k0s/tokens")).toBe("");
    expect(box.run("k0s-token-invalidate", run)).toMatchObject({ code: 0 });
  });

  test("a token that stays valid is an error, although k0s reports success", () => {
    ask(["k0s-token"], { role: "worker", expiry: "15m" });
    box.write("k0s/stubborn", "");
    expect(box.run("k0s-token-invalidate", { role: "worker", id: "abc123" }).output).toContain(
      "the join token abc123 is still valid",
    );
  });
});

describe("joining", () => {
  beforeEach(() => installK0s(box));

  test("puts the token in a private file, and starts with it", () => {
    fs.mkdirSync(box.path("run", "operations", "op"), { recursive: true });
    box.write("run/operations/op/parameters", `token=${TOKEN}\n`);
    expect(join()).toMatchObject({ code: 0 });
    expect(modeOf("k0stoken")).toBe("600");
    expect(read("k0s/starts")).toBe(`K0S_TOKEN_ARGUMENT=--token-file=${box.path("k0stoken")}`);
    // Nothing else keeps the token.
    expect(read("run/operations/op/parameters")).toBeUndefined();
    expect(read("journal")).not.toContain(TOKEN);
  });

  test("replaces the token by the dummy", () => {
    join();
    const dummy = dummyToken("controller");
    expect(box.run("k0s-token-retire", { dummy })).toMatchObject({ code: 0 });
    expect(read("k0stoken")).toBe(dummy);
    expect(modeOf("k0stoken")).toBe("600");
    expect(facts()?.token).toBe("dummy");
    // The loss of the founder must not take the only identity along.
    expect(modeOf("data/pki/pulumi-microvm.key")).toBe("600");
  });

  test("a token that the condition rejects is an error", () => {
    expect(join({ token: dummyToken("controller") }).output).toContain("k0s did not start");
  });
});

describe("stopping", () => {
  beforeEach(() => {
    installK0s(box);
    found();
  });

  test("k0s does not start again, also with its data, until it may", () => {
    expect(box.run("k0s-stop", { reason: "it left the cluster" })).toMatchObject({ code: 0 });
    spawnSync("systemctl", ["start", "k0s.service"], { env: box.environment(0) });
    expect(facts()).toMatchObject({ unit: "inactive", stopped: "it left the cluster" });
    expect(read("k0s/said")).toContain("k0s does not start: it was stopped: it left the cluster");
    expect(join()).toMatchObject({ code: 0 });
    expect(facts()).toMatchObject({ unit: "active", stopped: undefined });
  });

  test("k0s of a system that has no unit any more is known, and stops", () => {
    fs.rmSync(box.path("etc/k0s.service"));
    expect(facts()).toMatchObject({ cluster: "production", unit: "active", isApiReady: true });
    const stop = (): Ran => box.run("k0s-stop", { reason: "it left the cluster" });
    expect(stop()).toMatchObject({ code: 0 });
    expect(facts()).toMatchObject({ unit: "inactive", stopped: "it left the cluster" });
    expect(stop()).toMatchObject({ code: 0 });
    // A reboot.
    fs.rmSync(box.path("run/k0s.service"));
    expect(facts()).toBeUndefined();
  });

  test("the state of an old membership is moved, not copied, and not lost", () => {
    const inode = fs.statSync(box.path("data/etcd")).ino;
    expect(box.run("k0s-set-aside", { reason: "another cluster" })).toMatchObject({ code: 0 });
    expect(facts()).toMatchObject({ hasData: false, unit: "inactive", caFingerprint: undefined });
    const [left = ""] = fs.readdirSync(box.path("data")).filter((one) => one.startsWith("left-"));
    expect(fs.statSync(box.path("data", left, "etcd")).ino).toBe(inode);
    expect(read(`data/${left}/pulumi-microvm/reason`)).toBe("another cluster");
    expect(read(`data/${left}/pulumi-microvm/cluster.json`)).toBe(RECORD);
  });

  test("a mount below the data is named, and nothing is moved", () => {
    fs.mkdirSync(box.path("data/kubelet/pod"), { recursive: true });
    spawnSync("mount", ["-t", "tmpfs", "none", box.path("data/kubelet/pod")]);
    try {
      const ran = box.run("k0s-set-aside", { reason: "another cluster" });
      expect(ran.output).toContain(`${box.path("data/kubelet/pod")} is a mount`);
      expect(fs.existsSync(box.path("data/etcd"))).toBe(true);
    } finally {
      spawnSync("umount", [box.path("data/kubelet/pod")]);
    }
  });

  test("setting aside continues after a kill at any step", () => {
    box.save();
    const { steps } = box.run("k0s-set-aside", { reason: "r" });
    for (let killAt = 1; killAt <= steps; killAt++) {
      box.restore();
      box.run("k0s-set-aside", { reason: "r" }, killAt);
      expect(box.run("k0s-set-aside", { reason: "r" })).toMatchObject({ code: 0 });
      const kept = fs
        .readdirSync(box.path("data"))
        .filter((one) => one.startsWith("left-"))
        .flatMap((one) => fs.readdirSync(box.path("data", one)));
      expect([...kept].sort()).toEqual(
        expect.arrayContaining(["etcd", "kubelet.conf", "pki", "pulumi-microvm"]),
      );
      expect(facts()?.hasData).toBe(false);
    }
  });
});

test("a dead member is removed from etcd, once", () => {
  installK0s(box);
  found();
  const leave = (): Ran => box.run("k0s-leave", { address: "192.0.2.21" });
  expect(leave()).toMatchObject({ code: 0 });
  expect(read("k0s/members")).toBe('{"members":{}}');
  expect(leave()).toMatchObject({ code: 0 });
});

test("the identity is made anew where it exists, and read by the provider only", () => {
  installK0s(box);
  found();
  expect(box.run("k0s-identity", {})).toMatchObject({ code: 0 });
  expect(read("k0s/identities")?.split("\n")).toHaveLength(2);
  const output = ask(["k0s-identity-read"]);
  expect(output).toContain(`key\t${Buffer.from("PRIVATE\n").toString("base64")}\n`);
  expect(output).toMatch(/^data\tyes\nca\t.+\ncertificate\t/);
  fs.rmSync(box.path("data/pki/pulumi-microvm.key"));
  expect(ask(["k0s-identity-read"])).toMatch(/^data\tyes\n\S+ done\n$/);
});
