/**
 * components/sdkDiagnostics.ts replaces functions of the SDK, which a new version must still have.
 */
import { inspect } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { LogRequest } from "@pulumi/pulumi/proto/engine_pb";
import type * as diagnostics from "../../../components/sdkDiagnostics";
import { resetOptions } from "@pulumi/pulumi/runtime/settings";

class Thing extends pulumi.CustomResource {}

/** A path as source-map-support reads it from the SDK's source maps. */
const MAPPED = "Error: x\n    at run (/p/node_modules/@pulumi/resource.ts:1:2)";

let messages = 0;
let lastMessage = "";
/** The lengths of the formatted stack traces. */
const stackTraces: number[] = [];

beforeAll(async () => {
  // Nothing listens at the address. Only this method of the client is called.
  Object.assign(EngineClient.prototype, {
    log: (...words: unknown[]) => {
      messages += 1;
      for (const word of words) {
        if (word instanceof LogRequest) lastMessage = word.getMessage();
        if (typeof word === "function") word.call(undefined);
      }
    },
  });
  resetOptions("project", "stack", -1, "127.0.0.1:9", "mock", false, "");
  await pulumi.runtime.setMocks({
    newResource: ({ name }) => ({ id: name, state: {} }),
    call: () => ({}),
  });
  Error.prepareStackTrace = (_, frames) => {
    stackTraces.push(frames.length);
    return MAPPED;
  };
});

/** Stack traces that were taken, apart from empty ones. */
const taken = (): number => stackTraces.filter((length) => length > 0).length;

/** Creates a resource and counts the work of the SDK for it. */
async function countsOf(name: string): Promise<{ messages: number; stackTraces: number }> {
  messages = 0;
  stackTraces.length = 0;
  const thing = new Thing("test:index:Thing", name, { a: 1, b: [2, 3] });
  await new Promise((resolve) => thing.urn.apply(resolve));
  await new Promise((resolve) => setTimeout(resolve, 100));
  return { messages, stackTraces: taken() };
}

test("the SDK sends debug messages and takes many stack traces for a resource", async () => {
  const counts = await countsOf("chatty");
  expect(counts.messages).toBeGreaterThan(0);
  expect(counts.stackTraces).toBeGreaterThan(10);
});

describe("with sdkDiagnostics.ts", () => {
  const limit = Error.stackTraceLimit;
  beforeAll(() => {
    jest.requireActual("../../../components/sdkDiagnostics");
  });

  test("debug messages of a program that imports it still go to the engine", async () => {
    messages = 0;
    await pulumi.log.debug("of a user's program");
    expect(messages).toBe(1);
  });

  test("a debug message shows no answer of the engine that has a secret", async () => {
    const finished = "RegisterResource RPC finished: x; err: null, resp: ";
    await pulumi.log.debug(`${finished}urn,id,value,,,public`);
    expect(lastMessage).toBe(`${finished}urn,id,value,,,public`);
    const mark = "4dabf18193072939515e22adb298388d";
    await pulumi.log.debug(`${finished}key,,,,,${mark},,,value,,,-----BEGIN\nPRIVATE`);
    expect(lastMessage).toBe(`${finished}[secret]`);
  });

  test("sends no debug messages, and takes only the trace that locates the resource", async () => {
    const { sendNoDebugMessages } = jest.requireActual<typeof diagnostics>(
      "../../../components/sdkDiagnostics",
    );
    sendNoDebugMessages();
    expect(await countsOf("quiet")).toEqual({ messages: 0, stackTraces: 1 });
  });

  test("a resource of this package has no position, so it takes no stack trace", () => {
    const { unlocated } = jest.requireActual<typeof diagnostics>(
      "../../../components/sdkDiagnostics",
    );
    stackTraces.length = 0;
    new Thing("test:index:Thing", "ours", unlocated({ a: 1 }));
    expect(taken()).toBe(0);
    new Thing("test:index:Thing", "theirs", { a: 1 });
    expect(taken()).toBe(1);
  });

  test("Error.stackTraceLimit does not change, also after a promise", () => {
    expect(Error.stackTraceLimit).toBe(limit);
  });

  test("the previous hook still formats stack traces, with the SDK's real paths", () => {
    const { stack } = new Error("x");
    expect(stack).toBe(MAPPED.replace("@pulumi/", "@pulumi/pulumi/"));
    expect(stackTraces.at(-1)).toBeGreaterThan(1);
    // Without the correction this does not terminate.
    expect(inspect(new Error("x"), { colors: true })).toContain("resource.ts");
  });

  test("paths of other packages and of the program do not change", () => {
    const before: unknown = Reflect.get(Error, "prepareStackTrace");
    const paths = [
      "@pulumi/command/local.ts:1:2",
      "@pulumi/pulumi/output.ts:1:2",
      "/p/index.ts:1:2",
    ];
    Error.prepareStackTrace = () => paths.join(" ");
    jest.isolateModules(() => jest.requireActual("../../../components/sdkDiagnostics"));
    expect(new Error("x").stack).toBe(paths.join(" "));
    Reflect.set(Error, "prepareStackTrace", before);
  });
});
