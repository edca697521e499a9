/** components/lean.ts reaches into the SDK: a new version of it must still be reached. */
import * as pulumi from "@pulumi/pulumi";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { resetOptions } from "@pulumi/pulumi/runtime/settings";

class Thing extends pulumi.CustomResource {}

let lines = 0;

beforeAll(async () => {
  // Nobody listens at the address: this is the one method of the client that is called.
  Object.assign(EngineClient.prototype, {
    log: (...words: unknown[]) => {
      lines += 1;
      for (const word of words) if (typeof word === "function") word.call(undefined);
    },
  });
  resetOptions("project", "stack", -1, "127.0.0.1:9", "mock", false, "");
  await pulumi.runtime.setMocks({
    newResource: ({ name }) => ({ id: name, state: {} }),
    call: () => ({}),
  });
  Error.prepareStackTrace = () => "mapped";
});

async function debugLinesOf(name: string): Promise<number> {
  lines = 0;
  const thing = new Thing("test:index:Thing", name);
  await new Promise((resolve) => thing.urn.apply(resolve));
  await new Promise((resolve) => setTimeout(resolve, 100));
  return lines;
}

test("the SDK by itself sends debug lines to the engine, and has stacks mapped", async () => {
  expect(await debugLinesOf("chatty")).toBeGreaterThan(0);
  expect(new Error().stack).toBe("mapped");
});

test("with lean.ts it does neither", async () => {
  jest.requireActual("../../../components/lean");
  expect(await debugLinesOf("quiet")).toBe(0);
  expect(new Error().stack).toMatch(/^Error: \n {4}at .*lean\.test\.ts:\d+:\d+\)?$/);
});
