/** What the provider reads of Helm, and makes of it, without Helm. */
import { gunzipSync, gzipSync } from "node:zlib";
import { z } from "zod";
import { parseKubeObject } from "../../../../provider/cluster/kube/objectClient";
import type { KubeObject } from "../../../../provider/cluster/kube/objectClient";
import {
  chartName,
  installArgs,
  renderArgs,
  upgradeArgs,
} from "../../../../provider/gitops/helm/commands";
import { helmFailure, leavesOf, withoutSecrets } from "../../../../provider/gitops/helm/failures";
import {
  changesOf,
  parseManifests,
  restartedBetween,
} from "../../../../provider/gitops/helm/manifests";
import {
  encodeRelease,
  isAsWanted,
  latest,
  releaseOf,
  unlockPatch,
} from "../../../../provider/gitops/helm/release";
import { isOurs, ownerLabels, stackIn } from "../../../../provider/gitops/ownership";
import { helmReleaseOf } from "../../../../provider/gitops/helmReleases";

const RECORD = {
  name: "demo",
  info: { status: "deployed", first_deployed: "2026-01-01T00:00:00Z" },
  chart: { metadata: { name: "demo", version: "1.0.0" }, templates: [{ name: "a", data: "Yg==" }] },
  config: { greeting: "hello" },
  manifest: "---\n",
  version: 2,
};

function secretOf(record: object, labels: Record<string, string> = {}): KubeObject {
  return parseKubeObject({
    metadata: {
      name: "sh.helm.release.v1.demo.v2",
      namespace: "apps",
      resourceVersion: "7",
      labels: { name: "demo", owner: "helm", version: "2", ...labels },
    },
    data: { release: encodeRelease(record) },
  });
}

function contentOf({ data }: KubeObject): unknown {
  const { release } = z.object({ release: z.string() }).parse(data);
  const packed = Buffer.from(Buffer.from(release, "base64").toString(), "base64");
  return JSON.parse(gunzipSync(packed).toString());
}

const broken = (): string =>
  Buffer.from(gzipSync("x").subarray(0, 12).toString("base64")).toString("base64");

describe("a record of Helm", () => {
  test("is read, packed or not", () => {
    const read = { name: "demo", namespace: "apps", revision: 2, status: "deployed" };
    expect(releaseOf(secretOf(RECORD))).toMatchObject({ ...read, values: RECORD.config });
    const plain = Buffer.from(JSON.stringify(RECORD)).toString("base64");
    const unpacked = {
      ...secretOf(RECORD),
      data: { release: Buffer.from(plain).toString("base64") },
    };
    expect(releaseOf(unpacked)).toMatchObject(read);
  });

  test.each([
    ["no data", {}],
    ["no base64 of JSON", { data: { release: "AAAA" } }],
    ["half a record", { data: { release: encodeRelease({ info: {} }) } }],
    ["a broken archive", { data: { release: broken() } }],
  ])("cannot be read with %s", (_what, more) => {
    expect(releaseOf({ ...secretOf(RECORD), data: undefined, ...more })).toBeUndefined();
  });

  test("of the latest revision counts, and ten is later than nine", () => {
    const revisions = ["9", "10", "2"].map((version) => secretOf(RECORD, { version }));
    expect(latest(revisions)?.metadata.labels["version"]).toBe("10");
  });

  test("is unlocked as helm-controller does it, and nothing else of it changes", () => {
    const pending = { ...RECORD, info: { ...RECORD.info, status: "pending-upgrade" } };
    const release = releaseOf(secretOf(pending));
    if (release === undefined) throw new Error("no release");
    const patch = parseKubeObject(unlockPatch(release, 5_000));
    expect(patch.metadata).toMatchObject({
      resourceVersion: "7",
      labels: { status: "failed", modifiedAt: "5" },
    });
    const description = "Release unlocked from stale 'pending-upgrade' state";
    const info = { ...RECORD.info, status: "failed", description };
    expect(contentOf(patch)).toEqual({ ...RECORD, info });
  });
});

test.each([
  [{ greeting: "hello" }, "1.0.0", true],
  [{ greeting: "hello" }, "v1.0.0", true],
  [{ greeting: "hello" }, "1.0.1", false],
  [{ greeting: "bye" }, "1.0.0", false],
  [{ greeting: "hello", more: null }, "1.0.0", false],
])("a release with values %j and version %s is as wanted: %s", (values, version, expected) => {
  const chart = { kind: "repository", url: "https://x", name: "demo", version } as const;
  const release = releaseOf(secretOf(RECORD));
  const wanted = { chart, values: JSON.stringify(values) };
  expect(release && isAsWanted(release, wanted)).toBe(expected);
});

describe("the commands", () => {
  const target = { releaseName: "demo", namespace: "apps" };
  const oci = { kind: "oci", url: "oci://example.com/charts/demo", version: "1.0.0" } as const;
  const applying = { ...target, chart: oci, labels: { "a/b": "c", d: "e" }, timeoutSeconds: 9 };

  test("have the values at standard input, and never wait for workloads", () => {
    const all = [
      installArgs(applying),
      installArgs(applying, true),
      upgradeArgs(applying),
      renderArgs({ ...target, chart: oci }, { by: "server", isUpgrade: true }),
    ];
    for (const args of all) {
      expect(args).toContain("--values=-");
      expect(args.filter((one) => /^--(wait|atomic|rollback|set|uninstall)/.test(one))).toEqual([]);
    }
    expect(installArgs(applying)).toContain("--labels=a/b=c,d=e");
    expect(installArgs(applying)).toContain("--create-namespace");
    expect(upgradeArgs(applying)).toContain("--reset-values");
  });

  test.each([
    [oci, ["oci://example.com/charts/demo", "--version=1.0.0"], "demo"],
    [
      { kind: "repository", url: "https://x", name: "demo", version: "1.0.0" } as const,
      ["demo", "--repo=https://x", "--version=1.0.0"],
      "demo",
    ],
    [{ kind: "path", path: "/t/demo", name: "demo", version: "1" } as const, ["/t/demo"], "demo"],
  ])("name the chart: %j", (chart, expected, name) => {
    expect(upgradeArgs({ ...applying, chart })).toEqual(expect.arrayContaining(expected));
    expect(chartName(chart)).toBe(name);
  });
});

describe("an error of Helm", () => {
  test("is one line without warnings and secrets", () => {
    const text =
      'level=WARN msg="x"\nError: INSTALLATION FAILED: "hunter2" is\nwrong: aHVudGVyMg==\n';
    const { message } = helmFailure("demo: installing", text, ["hunter2", "is"]);
    expect(message).toBe('demo: installing: INSTALLATION FAILED: "(hidden)" is wrong: (hidden)');
  });

  test.each([
    ['Error: chart "x" version "9" not found in https://x repository', /name or the version/],
    ['Error: admission webhook "v" denied the request', /webhook/],
    ["Error: invalid ownership metadata; label", /managed-by=Helm/],
    ["Error: found in Chart.yaml, but missing in charts/ directory: x", /helm dependency build/],
    ['Error: looks like "https://x" is not a valid chart repository', /reaches the repository/],
  ])("has a remedy: %s", (text, remedy) => {
    expect(helmFailure("demo", text, []).remedy).toMatch(remedy);
  });

  test("hides all leaves of the values, and lines of them", () => {
    const leaves = leavesOf({ a: ["secret-1"], b: { c: "key\nline-2" }, d: 123456, e: null });
    const text = "secret-1 line-2 123456 key";
    expect(withoutSecrets(text, leaves)).toBe("(hidden) (hidden) (hidden) key");
  });
});

describe("manifests", () => {
  const render = (image: string, more = ""): string => `
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: agent }
spec:
  template: { spec: { containers: [{ name: main, image: "${image}" }] } }
---
# Source: empty
---
apiVersion: v1
kind: Secret
metadata: { name: s, namespace: other }
data: { password: "${image}" }
${more}`;
  const parsed = (text: string) => parseManifests(text, "apps");
  const EXTRA =
    "---\napiVersion: v1\nkind: List\nmetadata: { name: l }\nitems:\n" +
    "- { apiVersion: v1, kind: ConfigMap, metadata: { name: c } }\n";

  test("that differ are shown by the paths of fields, and not by their values", async () => {
    expect(changesOf(await parsed(render("a:1", EXTRA)), await parsed(render("a:2")))).toEqual([
      "~ DaemonSet apps/agent: spec.template.spec.containers[0].image (its pods restart)",
      "~ Secret other/s: data.password",
      "- ConfigMap apps/c",
    ]);
    expect(changesOf(await parsed(render("a:1")), await parsed(render("a:1", EXTRA)))).toEqual([
      "+ ConfigMap apps/c",
    ]);
    expect(changesOf(await parsed(render("a:1")), await parsed(render("a:1")))).toEqual([]);
  });

  test("of two revisions tell which workloads restarted", async () => {
    expect(restartedBetween(await parsed(render("a:1")), await parsed(render("a:2")))).toEqual([
      "DaemonSet apps/agent",
    ]);
    expect(
      restartedBetween(await parsed(render("a:1")), await parsed(render("a:1", EXTRA))),
    ).toEqual([]);
  });
});

describe("the owner of a release", () => {
  const urn = "urn:pulumi:prod::project::microvm:index:Seed::cilium";

  test("is the stack, in labels", () => {
    const labels = ownerLabels(urn);
    expect(labels).toEqual({ "pulumi-microvm/stack": "prod", "pulumi-microvm/project": "project" });
    expect(isOurs(labels, urn.replace("cilium", "other"))).toBe(true);
    expect(isOurs(labels, urn.replace("prod", "dev"))).toBe(false);
    expect(isOurs({}, urn)).toBe(false);
    expect([stackIn(labels), stackIn({})]).toEqual(["project/prod", undefined]);
  });

  test.each(["x".repeat(100), "-leading", "trailing.", "with space"])(
    "is a valid label also for %j",
    (stack) => {
      const value = ownerLabels(`urn:pulumi:${stack}::p::t::n`)["pulumi-microvm/stack"] ?? "";
      expect(value).toMatch(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/);
    },
  );
});

test.each([
  [{}, "demo", "apps"],
  [{ targetNamespace: "default" }, "default-demo", "apps"],
  [{ releaseName: "x", storageNamespace: "default" }, "x", "default"],
])("a HelmRelease with %j names the release as helm-controller does", (spec, name, storage) => {
  const object = parseKubeObject({ metadata: { namespace: "apps", name: "demo" }, spec });
  expect(helmReleaseOf(object)).toMatchObject({ releaseName: name, storageNamespace: storage });
});

test("a HelmRelease with a long name gets a hash, as helm-controller makes it", () => {
  const spec = { targetNamespace: "n".repeat(60) };
  const object = parseKubeObject({ metadata: { namespace: "apps", name: "demo" }, spec });
  const { releaseName } = helmReleaseOf(object);
  expect(releaseName).toMatch(/^n{40}-[0-9a-f]{12}$/);
});
