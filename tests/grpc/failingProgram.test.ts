/** A program that throws an error, run as the engine runs it: what the user sees, and when. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { stripVTControlCharacters } from "node:util";
import * as grpc from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { EngineService } from "@pulumi/pulumi/proto/engine_grpc_pb";
import type { LogRequest } from "@pulumi/pulumi/proto/engine_pb";
import { ResourceMonitorService } from "@pulumi/pulumi/proto/resource_grpc_pb";
import type { RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb";
import {
  RegisterResourceResponse,
  SupportsFeatureResponse,
} from "@pulumi/pulumi/proto/resource_pb";

const checkout = resolve(__dirname, "..", "..");
const messages: string[] = [];
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
  const { log } = EngineService;
  const { supportsFeature, registerResource, registerResourceOutputs } = ResourceMonitorService;
  engine = new grpc.Server();
  engine.addService(
    { log },
    {
      log: answer((request: LogRequest) => {
        messages.push(request.getMessage());
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
        return response;
      }),
      registerResourceOutputs: answer(() => new Empty()),
    },
  );
  address = await new Promise<string>((done, fail) =>
    engine.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) =>
      error ? fail(error) : done(`127.0.0.1:${port}`),
    ),
  );
});
afterAll(() => {
  engine.forceShutdown();
  rmSync(directory, { recursive: true });
});

/** Seconds until the program has ended; it fails. */
async function run(program: string): Promise<number> {
  const file = join(directory, "index.js");
  writeFileSync(file, program);
  const runner = join(checkout, "node_modules", "@pulumi", "pulumi", "cmd", "run");
  const options = ["--project=p", "--stack=s", `--pwd=${checkout}`];
  const words = [runner, `--monitor=${address}`, `--engine=${address}`, ...options, file];
  const env = { ...process.env, PULUMI_CONFIG: "{}", PULUMI_NODEJS_TYPESCRIPT: "false" };
  const start = Date.now();
  const code = await new Promise((done) =>
    execFile(process.execPath, words, { env, cwd: checkout, timeout: 50_000 }, (error) =>
      done(error?.code),
    ),
  );
  // The SDK's word for: the user has been told.
  expect(code).toBe(32);
  return (Date.now() - start) / 1000;
}

test("ends at once, and its error has the whole stack trace", async () => {
  const seconds = await run(`
    require(${JSON.stringify(join(checkout, "bin", "components", "sdkDiagnostics.js"))});
    Error.stackTraceLimit = 30;
    function build() { throw new Error("no such rack"); }
    module.exports = async () => build();
  `);
  const shown = stripVTControlCharacters(messages.join("\n"));
  expect(shown).toContain("Error: no such rack");
  expect(shown).toContain(`at build (${directory}/index.js:4:`);
  expect(shown).toContain("node_modules/@pulumi/pulumi/resource.ts:");
  expect(seconds).toBeLessThan(20);
}, 60_000);
