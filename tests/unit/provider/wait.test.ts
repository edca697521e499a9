/** Every wait has an end. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Wait } from "../../../provider/hosts/wait/wait";

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect !== "function") throw new Error("this Node has no gc");
  Reflect.apply(collect, undefined, []);
}

test("a deadline survives a garbage collection", async () => {
  const never = new AbortController();
  const begin = (): Promise<unknown> => {
    const wait = new Wait("hv1", { deadline: Date.now() + 300, signal: never.signal });
    wait.doing = () => "waiting for nothing";
    return wait.until(new Promise(() => undefined));
  };
  const waiting = begin();
  await new Promise((resolve) => setTimeout(resolve, 50));
  collectGarbage();
  await expect(waiting).rejects.toThrow("hv1: timed out while waiting for nothing");
}, 3_000);
