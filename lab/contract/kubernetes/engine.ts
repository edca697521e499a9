/** The plugin with the real engine: what previews show, and what a destroy leaves. */
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { PLUGIN_VERSION } from "../../../components/gitops/kubernetes";
import { attempt } from "../../command";
import { ensureEngine, pathWithEngine } from "../../engine";
import { checkout } from "../../paths";
import { holds, same } from "../report";
import type { Report } from "../report";
import type { ApiServer } from "./apiServer";

const summary = z.object({ changeSummary: z.record(z.string(), z.number()).default({}) });
const OBJECTS = 3;

export async function withEngine(
  report: Report,
  api: ApiServer,
  directory: string,
  command: readonly string[],
): Promise<void> {
  await ensureEngine();
  const stack = new Stack(directory, command);
  await stack.pulumi({}, "stack", "init", "contract");
  const FINGERPRINT = "AB:CD";
  const here = { FINGERPRINT, KUBECONFIG_OF: api.address.kubeconfig };
  const away = api.address.kubeconfig.replace(/server: .*/, "server: https://127.0.0.1:1");

  await report.step(
    "engine: without a cluster yet, a preview shows what will be made",
    async () => {
      // The stack, the provider and the objects.
      same(await stack.preview({}), { create: OBJECTS + 2 });
    },
  );
  await report.step("engine: makes the objects, and then has nothing to do", async () => {
    await stack.pulumi(here, "up", "--yes", "--skip-preview");
    same(await stack.preview(here), { same: OBJECTS + 2 });
  });
  await report.check("engine: a renewed kubeconfig updates the provider alone", async () => {
    const renewed = { FINGERPRINT, KUBECONFIG_OF: `${api.address.kubeconfig}# renewed\n` };
    same(await stack.preview(renewed), { same: OBJECTS + 1, update: 1 });
  });
  await report.check("engine: a kubeconfig that is not known yet replaces nothing", async () => {
    // The engine then asks the plugin nothing, and shows each object as updated.
    same(await stack.preview({ FINGERPRINT }), { same: 1, update: OBJECTS + 1 });
  });
  await report.check(
    "engine: a preview of a cluster that is away shows what is recorded",
    async () => {
      const changes = await stack.preview({ FINGERPRINT, KUBECONFIG_OF: away, SIZE: "2" });
      same(changes, { same: OBJECTS + 1, update: 1 });
    },
  );
  await report.check("engine: changed data is an update in place", async () => {
    const changed = { ...here, SIZE: "2" };
    same(await stack.preview(changed), { same: OBJECTS + 1, update: 1 });
    await stack.pulumi(changed, "up", "--yes", "--skip-preview");
    const args = ["get", "configmap", "settings", "--namespace=engine"];
    same(await api.kubectl([...args, "--output=jsonpath={.data.SIZE}"]), "2");
  });
  await report.check("engine: the state has no secret in plain text", () => {
    const state = join(stack.home, ".pulumi", "stacks", "contract", "contract.json");
    const text = readFileSync(state, "utf8");
    const plain = ["hunter2-canary", Buffer.from("hunter2-canary").toString("base64")];
    holds(!plain.some((one) => text.includes(one)), "no plain secret in the state");
    holds(!text.includes("client-key-data"), "no plain kubeconfig in the state");
  });
  await report.check("engine: a destroy deletes nothing in the cluster", async () => {
    await stack.pulumi(here, "destroy", "--yes", "--skip-preview");
    const left = await api.kubectl([
      "get",
      "configmap,secret",
      "--namespace=engine",
      "--output=name",
    ]);
    same(left.trim().split("\n").sort(), ["configmap/settings", "secret/key"]);
  });
}

class Stack {
  readonly home: string;

  constructor(directory: string, command: readonly string[]) {
    this.home = join(directory, "engine");
    const plugin = join(this.home, "plugins", `resource-kubernetes-v${PLUGIN_VERSION}`);
    mkdirSync(plugin, { recursive: true });
    mkdirSync(join(this.home, "state"));
    const executable = join(plugin, "pulumi-resource-kubernetes");
    const words = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
    writeFileSync(executable, `#!/bin/sh\nexec ${words} "$@"\n`);
    chmodSync(executable, 0o755);
    symlinkSync(join(checkout, "node_modules"), join(this.home, "node_modules"));
    writeFileSync(
      join(this.home, "Pulumi.yaml"),
      "name: contract\nruntime: { name: nodejs, options: { typescript: false } }\nmain: main.js\n",
    );
    const program = join(checkout, "bin", "lab", "contract", "kubernetes", "program.js");
    writeFileSync(join(this.home, "main.js"), `require(${JSON.stringify(program)});\n`);
  }

  /** How many resources each operation concerns. */
  async preview(env: Record<string, string>): Promise<Record<string, number>> {
    const { changeSummary } = summary.parse(
      JSON.parse(await this.pulumi(env, "preview", "--json")),
    );
    return changeSummary;
  }

  async pulumi(env: Record<string, string>, ...args: string[]): Promise<string> {
    const answer = await attempt(["pulumi", ...args, "--non-interactive"], {
      cwd: this.home,
      env: {
        PATH: pathWithEngine(),
        HOME: this.home,
        PULUMI_HOME: this.home,
        PULUMI_BACKEND_URL: `file://${this.home}`,
        PULUMI_CONFIG_PASSPHRASE: "contract",
        PULUMI_SKIP_UPDATE_CHECK: "true",
        ...(args[0] === "stack" ? {} : { PULUMI_STACK: "contract" }),
        ...env,
      },
    });
    if (answer.code === 0) return answer.stdout;
    throw new Error(`pulumi ${args.join(" ")}:\n${answer.stdout}${answer.stderr}`);
  }
}
