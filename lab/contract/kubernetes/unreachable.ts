/** The plugin while the API does not answer. */
import { holds, matches, same } from "../report";
import type { Report } from "../report";
import { configMap } from "./objects";
import { failure } from "./suite";
import type { Subject } from "./suite";

/** The outputs of the plugin say so in each case. */
const WORDS = /unreachable/;

export async function unreachable(report: Report, { api, plugin }: Subject): Promise<void> {
  const inputs = configMap({ a: "1" }, {}, "away");
  const made = await (await plugin()).create(inputs);
  // Nothing listens there.
  const kubeconfig = api.address.kubeconfig.replace(/server: .*/, "server: https://127.0.0.1:1");
  const changed = configMap({ a: "2" }, {}, "away");
  const skipping = await plugin({ kubeconfig });
  await report.check("skipUpdateUnreachable: a read returns what is recorded", async () => {
    same(await skipping.read(made), made);
  });
  await report.check("skipUpdateUnreachable: a change is skipped without an error", async () => {
    const checked = await skipping.check(changed, made.inputs);
    same(checked, made.inputs);
    same((await skipping.diff(made, checked)).changed, false);
  });
  await report.check("a creation can be previewed, but fails in an up", async () => {
    await skipping.create(inputs, true);
    matches(await failure(skipping.create(inputs)), WORDS);
  });
  const strict = await plugin({ kubeconfig, skipUpdateUnreachable: "false" });
  await report.check("without it, a read, an update and a deletion fail", async () => {
    matches(await failure(strict.read(made)), WORDS);
    matches(await failure(strict.update(made, changed)), WORDS);
    matches(await failure(strict.remove(made)), WORDS);
  });
  await report.check("deleteUnreachable forgets the object", async () => {
    const forgetting = await plugin({ kubeconfig, deleteUnreachable: "true" });
    same(await forgetting.read(made), undefined);
  });
  await report.check("a text that is no kubeconfig counts as unreachable", async () => {
    const broken = await plugin({ kubeconfig: "{}", skipUpdateUnreachable: "false" });
    matches(await failure(broken.read(made)), WORDS);
    holds((await skipping.read(made)) !== undefined, "the object is recorded");
  });
}
