/**
 * Runs programs with a failing resource as the engine does, and checks the messages and the time.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { stripVTControlCharacters } from "node:util";
import * as grpc from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { EngineService } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { LogSeverity } from "@pulumi/pulumi/proto/engine_pb";
import type { LogRequest } from "@pulumi/pulumi/proto/engine_pb";
import { ResourceMonitorService } from "@pulumi/pulumi/proto/resource_grpc_pb";
import type {
  RegisterResourceOutputsRequest,
  RegisterResourceRequest,
} from "@pulumi/pulumi/proto/resource_pb";
import {
  RegisterResourceResponse,
  Result,
  SupportsFeatureResponse,
} from "@pulumi/pulumi/proto/resource_pb";

const checkout = resolve(__dirname, "..", "..");
const messages: string[] = [];
/** `TYPE NAME` of each resource that the program has registered. */
const registered: string[] = [];
/** Outputs of the stack. */
let outputs: unknown;
/** The resource that fails: `TYPE NAME`. */
let failing = "";
let engine: grpc.Server;
let address: string;
let directory: string;

/** Answers a call. Other calls of the SDK are not implemented, as in an older engine. */
function answer<Request, Response>(
  make: (request: Request) => Response,
): grpc.handleUnaryCall<Request, Response> {
  return (call, callback) => callback(null, make(call.request));
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "program-"));
  // Otherwise the SDK warns.
  writeFileSync(join(directory, "package.json"), "{}");
  const { log } = EngineService;
  const { supportsFeature, registerResource, registerResourceOutputs } = ResourceMonitorService;
  engine = new grpc.Server();
  engine.addService(
    { log },
    {
      log: answer((request: LogRequest) => {
        const isDebug = request.getSeverity() === LogSeverity.DEBUG;
        if (!isDebug) messages.push(request.getMessage());
        return new Empty();
      }),
    },
  );
  engine.addService(
    { supportsFeature, registerResource, registerResourceOutputs },
    {
      supportsFeature: answer(() => new SupportsFeatureResponse()),
      registerResource: answer((request: RegisterResourceRequest) => {
        const response = new RegisterResourceResponse();
        response.setUrn(`urn:pulumi:s::p::${request.getType()}::${request.getName()}`);
        response.setId(request.getCustom() ? request.getName() : "");
        response.setObject(request.getObject());
        const resource = `${request.getType()} ${request.getName()}`;
        registered.push(resource);
        if (resource === failing) response.setResult(Result.FAIL);
        return response;
      }),
      registerResourceOutputs: answer((request: RegisterResourceOutputsRequest) => {
        if (request.getUrn().includes(":Stack::")) outputs = request.getOutputs()?.toJavaScript();
        return new Empty();
      }),
    },
  );
  address = await new Promise<string>((done, fail) =>
    engine.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) =>
      error ? fail(error) : done(`127.0.0.1:${port}`),
    ),
  );
});
beforeEach(() => {
  messages.length = 0;
  registered.length = 0;
  outputs = undefined;
  failing = "";
});
afterAll(() => {
  engine.forceShutdown();
  rmSync(directory, { recursive: true });
});

/** The SDK exits with this code if the program has failed and its errors were reported. */
const FAILED = 32;

/** Returns the seconds until the program has ended with this exit code. */
async function run(program: string, expected: number): Promise<number> {
  const file = join(directory, "index.js");
  writeFileSync(file, program);
  const runner = join(checkout, "node_modules", "@pulumi", "pulumi", "cmd", "run");
  const options = ["--project=p", "--stack=s", `--pwd=${checkout}`];
  const words = [runner, `--monitor=${address}`, `--engine=${address}`, ...options, file];
  const env = { ...process.env, PULUMI_CONFIG: "{}", PULUMI_NODEJS_TYPESCRIPT: "false" };
  const start = Date.now();
  const code = await new Promise((done) =>
    execFile(process.execPath, words, { env, cwd: checkout, timeout: 50_000 }, (error) =>
      done(error?.code ?? 0),
    ),
  );
  expect(code).toBe(expected);
  return (Date.now() - start) / 1000;
}

test("ends at once, and its error contains the whole stack trace", async () => {
  const seconds = await run(
    `
    require(${JSON.stringify(join(checkout, "bin", "components", "sdkDiagnostics.js"))});
    Error.stackTraceLimit = 30;
    function build() { throw new Error("no such rack"); }
    module.exports = async () => build();
  `,
    FAILED,
  );
  const shown = stripVTControlCharacters(messages.join("\n"));
  expect(shown).toContain("Error: no such rack");
  expect(shown).toContain(`at build (${directory}/index.js:4:`);
  expect(shown).toContain("node_modules/@pulumi/pulumi/resource.ts:");
  expect(seconds).toBeLessThan(20);
}, 60_000);

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK1BP2FxcZgl/MDbgbNVrmHOgZKU28m9OepzjxrxIP6q";
const SITE = `
flake: path:/flake
hypervisors:
  hv1: { address: 192.0.2.11, ssh: { hostKey: ${KEY} }, nic: eno1, hostIp: 192.0.2.11/24,
         system: {} }
  hv2: { address: 192.0.2.12, ssh: { hostKey: ${KEY} }, nic: eno1, hostIp: 192.0.2.12/24 }
vms:
  kw1: { hypervisor: hv1, vcpu: 1, memory: 1GiB, ip: 192.0.2.31, mac: "02:00:00:00:00:31",
         volumes: { var: { size: 1GiB } } }
  kw2: { hypervisor: hv2, vcpu: 1, memory: 1GiB, ip: 192.0.2.32, mac: "02:00:00:00:00:32" }
`;

/** A site with an evaluated flake. The engine responds as with --continue-on-error. */
const ofSite = (): string => `
  require(${JSON.stringify(join(checkout, "bin", "components", "sdkDiagnostics.js"))});
  const { Site } = require(${JSON.stringify(join(checkout, "bin", "components", "site.js"))});
  const { parseSite } = require(${JSON.stringify(join(checkout, "bin", "site", "load.js"))});
  const it = { drvPath: "/nix/store/x.drv", outPath: "/nix/store/x" };
  const machine = { runner: it, toplevel: it, closureInfo: it, hardware: "h", packages: {} };
  const hypervisors = { hv1: { toplevel: it, packages: {}, bootHash: "" } };
  const built = { version: 1, machines: { kw1: machine, kw2: machine }, hypervisors };
  const site = ${JSON.stringify(SITE)};
  module.exports = async () => {
    const { hypervisors, vms } = new Site("s", { model: parseSite(site, "/s"), built });
    return { hypervisors, vms };
  };
`;

test.each([
  ["a system", "microvm:index:NixosSystem hv1", "The system of hv1", ["Hypervisor hv1"]],
  ["a hypervisor", "microvm:index:Hypervisor hv1", "Hypervisor hv1", ["Volume kw1-var"]],
  ["a volume", "microvm:index:Volume kw1-var", "A volume of kw1", []],
  ["a closure", "microvm:index:NixClosure kw1", "The closure of kw1", []],
])(
  "if %s fails, one short message is logged and its dependents are not registered",
  async (_, resource, what, notRegistered) => {
    failing = resource;
    // If the program succeeded, the engine would delete what is not registered.
    await run(ofSite(), FAILED);
    expect(messages).toEqual([`${what} failed; resources that depend on it are left as they are`]);
    for (const one of [...notRegistered, "MicroVm kw1"]) {
      expect(registered).not.toContain(`microvm:index:${one}`);
    }
    expect(registered).toContain("microvm:index:MicroVm kw2");
    expect(outputs).toMatchObject({
      vms: { kw1: { address: "192.0.2.31", hypervisor: "hv1" }, kw2: { running: true } },
    });
    expect(outputs).not.toHaveProperty("vms.kw1.running");
  },
  60_000,
);

test("the stack outputs of a failed VM have no values, and the program succeeds", async () => {
  failing = "microvm:index:MicroVm kw1";
  await run(ofSite(), 0);
  expect(messages).toEqual([]);
  expect(outputs).toMatchObject({
    vms: { kw1: { address: "192.0.2.31" }, kw2: { running: true } },
  });
  expect(outputs).not.toHaveProperty("vms.kw1.running");
}, 60_000);
