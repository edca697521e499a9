/**
 * What the program relies on of the plugin `kubernetes`: against an API server of the lab, with the
 * plugin's own protocol. `--plugin PATH` checks the official plugin.
 */
import { join } from "node:path";
import { Secret, UNKNOWN, isMap } from "../../../provider/wire";
import type { Value, ValueMap } from "../../../provider/wire";
import { ensureKubernetes } from "../../kubernetes/ensure";
import { checkout } from "../../paths";
import type { Record as MadeThings } from "../record";
import { holds, matches, same } from "../report";
import type { Report } from "../report";
import { ApiServer } from "./apiServer";
import { configMap, customResource, definition, namespace, secret } from "./objects";
import { Plugin } from "./plugin";
import { unreachable } from "./unreachable";

export interface KubernetesOptions {
  /** Default: the lab's stand-in. */
  plugin?: string;
}

/** As components/gitops configures the provider. */
export const CONFIG = {
  clusterIdentifier: "AB:CD",
  enableServerSideApply: "true",
  skipUpdateUnreachable: "true",
  deleteUnreachable: "false",
  enableSecretMutable: "true",
  enableConfigMapMutable: "true",
  upsertExistingObjects: "true",
} as const;

export interface Subject {
  api: ApiServer;
  /** A plugin with this configuration beside CONFIG. */
  plugin: (config?: Record<string, string>) => Promise<Plugin>;
}

export async function kubernetesSuite(
  report: Report,
  record: MadeThings,
  { plugin: path }: KubernetesOptions,
): Promise<void> {
  const command = path === undefined ? [process.execPath, STAND_IN] : [path];
  const api = await ApiServer.start(join(record.directory, "api"), await ensureKubernetes());
  const started: Plugin[] = [];
  const plugin = async (config: Record<string, string> = {}): Promise<Plugin> => {
    const made = await Plugin.start(command);
    started.push(made);
    await made.configure({ ...CONFIG, kubeconfig: api.address.kubeconfig, ...config });
    return made;
  };
  try {
    const subject = { api, plugin };
    await configuration(report, subject);
    await objects(report, subject);
    await otherWriters(report, subject);
    await customKinds(report, subject);
    await unreachable(report, subject);
  } finally {
    for (const one of started) one.stop();
    await api.stop();
  }
}

const STAND_IN = join(checkout, "bin", "lab", "plugins", "kubernetes", "main.js");

async function configuration(report: Report, { api, plugin }: Subject): Promise<void> {
  const { kubeconfig } = api.address;
  const elsewhere = kubeconfig.replace(/server: .*/, "server: https://198.18.0.9:6443");
  const renewed = kubeconfig.replace(/client-key-data: .*/, "client-key-data: YQ==");
  const one = await plugin();
  const replaces = async (olds: ValueMap, news: ValueMap): Promise<string[]> => {
    const { replaces: found } = await one.diffConfig(olds, news);
    return found;
  };
  const identified = { clusterIdentifier: "AB", kubeconfig };
  await report.check("an unchanged configuration has no difference", async () => {
    same((await one.diffConfig(identified, identified)).changed, false);
  });
  await report.check("with the same identifier, nothing replaces the provider", async () => {
    same(await replaces(identified, { ...identified, kubeconfig: renewed }), []);
    same(await replaces(identified, { ...identified, kubeconfig: elsewhere }), []);
    same(await replaces(identified, { ...identified, kubeconfig: UNKNOWN }), []);
  });
  await report.check("another identifier replaces it", async () => {
    same(await replaces(identified, { ...identified, clusterIdentifier: "CD" }), [
      "clusterIdentifier",
    ]);
  });
  await report.check("an identifier that is added replaces nothing", async () => {
    same(await replaces({ kubeconfig }, { clusterIdentifier: "AB", kubeconfig }), []);
  });
  await report.check("without an identifier, another server replaces it", async () => {
    same(await replaces({ kubeconfig }, { kubeconfig: elsewhere }), ["kubeconfig"]);
    same(await replaces({ kubeconfig }, { kubeconfig: renewed }), []);
    same(await replaces({ kubeconfig }, { kubeconfig: UNKNOWN }), ["kubeconfig"]);
  });
}

async function objects(report: Report, { api, plugin }: Subject): Promise<void> {
  const one = await plugin();
  await report.step("a preview of a creation makes nothing", async () => {
    const { id } = await one.create(namespace("app"), true);
    same(id, "");
    same((await api.kubectl(["get", "namespace", "app", "--ignore-not-found"])).trim(), "");
  });
  await report.step("an object in a namespace that does not exist can be previewed", async () => {
    await one.create(secret("YQ=="), true);
  });
  await report.step("creates objects under the annotated manager", async () => {
    same((await one.create(namespace("app"))).id, "app");
    same((await one.create(configMap({ a: "1" }))).id, "app/settings");
    const fields = ".metadata.managedFields[*]";
    const shown = await api.kubectl([
      ...["get", "configmap", "settings", "--namespace=app", "--show-managed-fields"],
      `--output=jsonpath={${fields}.manager}/{${fields}.operation}`,
    ]);
    same(shown, "pulumi-microvm/Apply");
  });
  await report.check(
    "marks the data of a Secret as secret, also where the inputs do not",
    async () => {
      const { inputs, state } = await one.create(secret("YQ=="));
      for (const map of [inputs, state, mapIn(state["__inputs"])]) {
        holds(map["data"] instanceof Secret, "data is a secret");
      }
      same((await one.diff({ id: "app/key", inputs, state }, secret("YQ=="))).changed, false);
    },
  );
  const recorded = await one.create(configMap({ a: "1" }));
  await report.check("an unchanged object has no difference, also after a read", async () => {
    same((await one.diff(recorded, configMap({ a: "1" }))).changed, false);
    const read = await one.read(recorded);
    same(read?.inputs, recorded.inputs, "inputs");
    same(read !== undefined && (await one.diff(read, recorded.inputs)).changed, false);
  });
  await report.check("changed, added and removed data is an update in place", async () => {
    const { paths, replaces } = await one.diff(recorded, configMap({ "b.c": "2" }));
    same([paths, replaces], [["data.a", 'data["b.c"]'], []]);
    await one.update(recorded, configMap({ a: "2" }), true);
    same(await dataOf(api), { a: "1" }, "data after a preview");
    const updated = await one.update(recorded, configMap({ "b.c": "2" }));
    same(await dataOf(api), { "b.c": "2" });
    same((await one.diff(updated, configMap({ "b.c": "2" }))).changed, false);
  });
  await report.check("changes that the program ignores are none", async () => {
    same((await one.diff(recorded, configMap({ a: "3" }), ["data"])).changed, false);
  });
  await report.check("another name replaces the object", async () => {
    const { replaces } = await one.diff(recorded, configMap({ a: "1" }, {}, "other"));
    same(replaces, ["metadata.name"]);
  });
  await report.check(
    "without mutable Secrets, changed data replaces one in its place",
    async () => {
      const strict = await plugin({ enableSecretMutable: "false" });
      const made = await strict.create(secret("YQ=="));
      const { replaces, deleteBeforeReplace } = await strict.diff(made, secret("Yg=="));
      same([replaces, deleteBeforeReplace], [["data.key"], true]);
      same((await one.diff(made, secret("Yg=="))).replaces, []);
    },
  );
  await report.check("a value that is not known yet can be previewed", async () => {
    const { state } = await one.create(configMap({ a: UNKNOWN }, {}, "later"), true);
    same(mapIn(state["data"])["a"], UNKNOWN);
    same((await one.diff(recorded, configMap({ a: UNKNOWN }))).changed, true);
  });
  await report.check("an object that exists is applied to, or refused without upsert", async () => {
    await one.create(configMap({ a: "9" }));
    same(await dataOf(api), { a: "9" });
    const strict = await plugin({ upsertExistingObjects: "false" });
    matches(await failure(strict.create(configMap({ a: "1" }))), /already exists/);
  });
  await report.check("deletes, and what is gone is gone", async () => {
    const made = await one.create(configMap({ a: "1" }, {}, "short-lived"));
    await one.remove(made);
    same(await one.read(made), undefined);
    await one.remove(made);
  });
}

async function otherWriters(report: Report, { api, plugin }: Subject): Promise<void> {
  const one = await plugin();
  const inputs = configMap({ a: "1" }, {}, "shared");
  const made = await one.create(inputs);
  const apply = (data: object): Promise<string> =>
    api.kubectl(
      ["apply", "--server-side", "--force-conflicts", "--field-manager=other", "--filename=-"],
      JSON.stringify({
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "shared", namespace: "app" },
        data,
      }),
    );
  await report.check("fields of others are no drift, and stay", async () => {
    await apply({ b: "2" });
    const read = await one.read(made);
    same(read !== undefined && (await one.diff(read, inputs)).changed, false);
    const updated = await one.update(made, configMap({ a: "3" }, {}, "shared"));
    same(await dataOf(api, "shared"), { a: "3", b: "2" });
    await one.update(updated, inputs);
  });
  await report.check("a field that others changed is drift, and an update conflicts", async () => {
    await apply({ a: "theirs", b: "2" });
    const read = await one.read(made);
    const found = read === undefined ? undefined : await one.diff(read, inputs);
    same(found?.paths, ["data.a"]);
    matches(await failure(one.update(read ?? made, inputs)), /conflict[^]*"pulumi-microvm"/);
    same(await dataOf(api, "shared"), { a: "theirs", b: "2" });
  });
  await report.check("pulumi.com/patchForce takes the field over", async () => {
    const forced = configMap({ a: "1" }, { "pulumi.com/patchForce": "true" }, "shared");
    await one.update(made, forced);
    same(await dataOf(api, "shared"), { a: "1", b: "2" });
  });
}

async function customKinds(report: Report, { api, plugin }: Subject): Promise<void> {
  const one = await plugin();
  await report.check("an object of a kind that does not exist yet can be previewed", async () => {
    const { state } = await one.create(customResource("1"), true);
    same(state["kind"], "Thing");
  });
  await report.check("a creation waits a while for its kind", async () => {
    const made = one.create(customResource("1"));
    await api.kubectl(["apply", "--filename=-"], JSON.stringify(definition));
    const recorded = await made;
    same(recorded.id, "app/thing");
    same((await one.diff(recorded, customResource("2"))).paths, ["spec.size"]);
    same((await one.diff(recorded, customResource("2"))).replaces, []);
    const updated = await one.update(recorded, customResource("2"));
    same((await one.diff(updated, customResource("2"))).changed, false);
  });
}

async function dataOf(api: ApiServer, name = "settings"): Promise<unknown> {
  const args = ["get", "configmap", name, "--namespace=app", "--output=jsonpath={.data}"];
  return JSON.parse(await api.kubectl(args));
}

export function mapIn(value: Value | undefined): ValueMap {
  if (isMap(value)) return value;
  throw new Error("expected a map");
}

export async function failure(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "it succeeded",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}
