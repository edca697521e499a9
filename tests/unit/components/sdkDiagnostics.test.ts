/** components/sdkDiagnostics.ts changes functions of the SDK: a new version must have them too. */
import { inspect } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { resetOptions } from "@pulumi/pulumi/runtime/settings";
import type * as SdkDiagnostics from "../../../components/sdkDiagnostics";

class Thing extends pulumi.CustomResource {}

/** As source-map-support makes it of the SDK's source maps. */
const MAPPED = "Error: x\n    at run (/p/node_modules/@pulumi/resource.ts:1:2)";

let messages = 0;
/** Lengths of the stack traces that were formatted. */
const stackTraces: number[] = [];

beforeAll(async () => {
  // Nobody listens at the address: this is the one method of the client that is called.
  Object.assign(EngineClient.prototype, {
    log: (...words: unknown[]) => {
      messages += 1;
      for (const word of words) if (typeof word === "function") word.call(undefined);
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

/** Creates a resource, and counts what the SDK does for it. */
async function countsOf(name: string): Promise<{ messages: number; stackTraces: number }> {
  messages = 0;
  stackTraces.length = 0;
  const thing = new Thing("test:index:Thing", name, { a: 1, b: [2, 3] });
  await new Promise((resolve) => thing.urn.apply(resolve));
  await new Promise((resolve) => setTimeout(resolve, 100));
  return { messages, stackTraces: stackTraces.filter((length) => length > 0).length };
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

  test("without debug messages it sends none, and takes the one that locates the resource in the program", async () => {
    const { sendNoDebugMessages } = jest.requireActual<typeof SdkDiagnostics>(
      "../../../components/sdkDiagnostics",
    );
    sendNoDebugMessages();
    expect(await countsOf("quiet")).toEqual({ messages: 0, stackTraces: 1 });
  });

  test("Error.stackTraceLimit is as it was, also after a promise", () => {
    expect(Error.stackTraceLimit).toBe(limit);
  });

  test("the previous hook still makes stack traces; they have the SDK's real paths", () => {
    const { stack } = new Error("x");
    expect(stack).toBe(MAPPED.replace("@pulumi/", "@pulumi/pulumi/"));
    expect(stackTraces.at(-1)).toBeGreaterThan(1);
    // Without the correction this does not terminate.
    expect(inspect(new Error("x"), { colors: true })).toContain("resource.ts");
  });

  test("paths of other packages and of the program stay as they are", () => {
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
