/** Whether k0s may start in a guest. The script is the ExecCondition of its unit. */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { dummyToken, parseJoinToken } from "../../provider/cluster/joinToken";
import type { TokenRole } from "../../provider/cluster/joinToken";
import { script } from "../../provider/hosts/transport/script";

let root: string;
beforeEach(() => {
  root = fs.mkdtempSync(join(tmpdir(), "pulumi-microvm-k0s-"));
});
afterEach(() => {
  fs.rmSync(root, { recursive: true });
});

const at = (path: string): string => join(root, path);
function put(path: string, text = ""): void {
  fs.mkdirSync(dirname(at(path)), { recursive: true });
  fs.writeFileSync(at(path), text);
}

const MARK = "run/k0s-found";
const TOKEN = "etc/k0stoken";
const DB = "data/etcd/member/snap/db";

/** Laid out as clientcmd writes it. */
function realToken(role: TokenRole, token = "abc123.0123456789abcdef", server = "https://h:1") {
  const user = role === "controller" ? "controller-bootstrap" : "kubelet-bootstrap";
  const kubeconfig = `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: LS0tLS1CRUdJTg==
    server: ${server}
  name: k0s
contexts:
- context:
    cluster: k0s
    user: ${user}
  name: k0s
current-context: k0s
kind: Config
users:
- name: ${user}
  user:
    token: ${token}
`;
  return gzipSync(kubeconfig).toString("base64");
}

/** The unit is started: what is decided, and with which argument k0s would run. */
function start(
  role: TokenRole = "controller",
  path = process.env["PATH"] ?? "",
): { argument: string | undefined; said: string } {
  const text = script("k0s-condition").replaceAll("/run/pulumi-microvm", at("run"));
  fs.rmSync(at("run/k0s.env"), { force: true });
  const parameters = [at("data"), role, at(TOKEN), "production"];
  const { status, stdout, stderr } = spawnSync("/bin/sh", ["-s", ...parameters], {
    input: text,
    encoding: "utf8",
    env: { PATH: path },
  });
  const said = stdout + stderr;
  // systemd takes 255 and signals for a failure, and would try again.
  if (status !== 0) expect(status).toBe(1);
  if (status !== 0) return { argument: undefined, said };
  const line = fs.readFileSync(at("run/k0s.env"), "utf8");
  return { argument: line.replace(/^K0S_TOKEN_ARGUMENT=(.*)\n$/, "$1"), said };
}
const withTokenFile = (): string => `--token-file=${at(TOKEN)}`;

describe("a controller", () => {
  test("does not start where nothing is: it would found a cluster", () => {
    expect(start()).toEqual({
      argument: undefined,
      said:
        `k0s does not start: no data, no join token for a controller in ${at(TOKEN)}, ` +
        "no founding mark\n",
    });
  });

  test("resumes with its data, whatever is in the token file", () => {
    put(DB);
    for (const text of [undefined, "", "no token", dummyToken("controller")]) {
      if (text !== undefined) put(TOKEN, text);
      expect(start().argument).toBe(withTokenFile());
    }
  });

  test("joins by a token", () => {
    put(TOKEN, realToken("controller"));
    expect(start().argument).toBe(withTokenFile());
    put(TOKEN, `${realToken("controller", '"123456.0123456789012345"')}\n`);
    expect(start().argument).toBe(withTokenFile());
  });

  test.each<[string, string]>([
    ["the dummy", dummyToken("controller")],
    ["a worker's token", realToken("worker")],
    ["no file", ""],
    ["text", "no token"],
    ["base64 of text", Buffer.from("no token").toString("base64")],
    ["a part of a token", realToken("controller").slice(0, 60)],
    ["a kubeconfig without token", realToken("controller", "none")],
    ["a kubeconfig without server", realToken("controller", "abc123.0123456789abcdef", "h")],
  ])("does not start by %s", (_, text) => {
    put(TOKEN, text);
    expect(start().argument).toBeUndefined();
  });

  test("founds by the mark, once, and without a token file", () => {
    put(MARK, "production\n");
    expect(start()).toEqual({
      argument: "",
      said: "k0s starts: it founds the cluster production\n",
    });
    expect(fs.existsSync(at(MARK))).toBe(false);
    expect(start().argument).toBeUndefined();
  });

  test("founds by the mark although the token file has the dummy", () => {
    put(TOKEN, dummyToken("controller"));
    put(MARK, "production\n");
    expect(start().argument).toBe("");
  });

  test("founds no second cluster where its disk is lost: the mark is used up", () => {
    put(MARK, "production\n");
    expect(start().argument).toBe("");
    put(DB);
    expect(start().argument).toBe(withTokenFile());
    fs.rmSync(at("data"), { recursive: true });
    expect(start().argument).toBeUndefined();
  });

  test("uses up a mark that it finds beside its data", () => {
    put(DB);
    put(MARK, "production\n");
    expect(start().argument).toBe(withTokenFile());
    expect(fs.existsSync(at(MARK))).toBe(false);
  });

  test("does not start by the mark of another cluster, nor by an empty one", () => {
    put(MARK, "staging\n");
    expect(start().said).toContain("the founding mark is for another cluster: staging");
    put(MARK, "");
    expect(start().argument).toBeUndefined();
  });

  test("does not start where it is told both to join and to found", () => {
    put(TOKEN, realToken("controller"));
    put(MARK, "production\n");
    expect(start().said).toContain("there are both a join token and a founding mark");
  });

  test("does not start if the mark cannot be used up", () => {
    put(MARK, "production\n");
    put("bin/rm", "#!/bin/sh\nexit 1\n");
    fs.chmodSync(at("bin/rm"), 0o755);
    expect(start("controller", `${at("bin")}:${process.env["PATH"] ?? ""}`).argument).toBe(
      undefined,
    );
    expect(start().argument).toBe("");
  });

  test("starts by no mark that is a directory", () => {
    put(`${MARK}/x`);
    expect(start().argument).toBeUndefined();
  });
});

describe("a worker", () => {
  test("joins by a worker's token, then resumes with its credentials and the dummy", () => {
    expect(start("worker").argument).toBeUndefined();
    put(TOKEN, realToken("controller"));
    expect(start("worker").argument).toBeUndefined();
    put(TOKEN, realToken("worker"));
    expect(start("worker").argument).toBe(withTokenFile());
    put(TOKEN, dummyToken("worker"));
    expect(start("worker").argument).toBeUndefined();
    put("data/kubelet.conf");
    expect(start("worker").argument).toBe(withTokenFile());
  });

  test("does not found, and etcd's data is none of its own", () => {
    put(DB);
    put(MARK, "production\n");
    expect(start("worker").said).toContain("a worker cannot found a cluster");
  });
});

test("no secret is said, written or in an argument", () => {
  put(TOKEN, realToken("controller"));
  const secret = "0123456789abcdef";
  const text = script("k0s-condition").replaceAll("/run/pulumi-microvm", at("run"));
  const parameters = [at("data"), "controller", at(TOKEN), "production"];
  const traced = spawnSync("strace", ["-V"]).error === undefined;
  const [command = "", ...words] = traced
    ? ["strace", "-f", "-s", "4096", "-e", "trace=execve", "/bin/sh", "-s", ...parameters]
    : ["/bin/sh", "-s", ...parameters];
  const { status, stdout, stderr } = spawnSync(command, words, { input: text, encoding: "utf8" });
  expect(status).toBe(0);
  // strace shows the arguments of every process.
  if (traced) expect(stderr).toContain(`execve("/usr/bin/base64"`);
  expect(stdout + stderr + fs.readFileSync(at("run/k0s.env"), "utf8")).not.toContain(secret);
  expect(fs.statSync(at("run/k0s.env")).mode & 0o777).toBe(0o600);
});

describe("a token as the provider reads it", () => {
  test("a real one, with or without a line end", () => {
    const token = { id: "abc123", role: "worker", server: "https://h:1" };
    expect(parseJoinToken(realToken("worker"))).toEqual(token);
    expect(parseJoinToken(`${realToken("worker")}\n`)).toEqual(token);
    expect(parseJoinToken(realToken("controller"))?.role).toBe("controller");
  });

  test.each(["controller", "worker"] as const)("the dummy of a %s parses", (role) => {
    expect(parseJoinToken(dummyToken(role))).toEqual({
      id: "000000",
      role,
      server: "https://127.0.0.1:1",
    });
  });

  test("anything else is none", () => {
    const bomb = gzipSync(Buffer.alloc(1024 * 1024, "a")).toString("base64");
    for (const text of ["", "x", "no token", bomb, realToken("worker", "none")]) {
      expect(parseJoinToken(text)).toBeUndefined();
    }
  });
});
