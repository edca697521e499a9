/** The defaults of a cluster, and what Nix is given of it. */
import { z } from "zod";
import { parseSite } from "../../../../site/load";
import { siteJson } from "../../../../site/siteJson";
import { SITE, inCluster, inVm, noEndpoint, without } from "./cases";

describe("the model", () => {
  test("has every default; the only controller is the endpoint", () => {
    const { cluster, vms } = parseSite(noEndpoint(without("kc2", without("kc3"))), "x.yaml");
    expect(cluster).toEqual({
      name: "production",
      k0sVersion: "1.36",
      endpoint: "192.0.2.21",
      sans: [],
      nodeLocalLoadBalancing: true,
      podNetwork: "10.244.0.0/16",
      serviceNetwork: "10.96.0.0/12",
      maxUnavailable: 1,
      drain: { timeoutSeconds: 600, localStorage: "refuse", unmanagedPods: "refuse" },
    });
    expect(vms[0]).toMatchObject({ role: "controller", labels: {}, taints: [] });
  });

  test("has what the file states, in an order of its own", () => {
    const colons = Array.from({ length: 32 }, () => "AB").join(":");
    const text = inVm(
      "kw1",
      'labels: { b: "2", a: "1" }\n    taints: ["b:NoExecute", "a=1:NoSchedule"]',
    )(
      inCluster(
        `  caFingerprint: "${colons}"\n  maxUnavailable: 2\n` +
          "  drain: { timeout: 5m, localStorage: delete, unmanagedPods: delete }",
      )(SITE),
    ).replace("192.0.2.20", "192.0.2.20\n    sans: [z.example.org, 192.0.2.20, a.example.org]");
    const { cluster, vms } = parseSite(text, "x.yaml");
    expect(cluster).toMatchObject({
      endpoint: "192.0.2.20",
      sans: ["a.example.org", "z.example.org"],
      caFingerprint: "ab".repeat(32),
      maxUnavailable: 2,
      drain: { timeoutSeconds: 300, localStorage: "delete", unmanagedPods: "delete" },
    });
    const kw1 = vms.find(({ name }) => name === "kw1");
    expect(Object.keys(kw1?.labels ?? {})).toEqual(["a", "b"]);
    expect(kw1?.taints).toEqual([
      { key: "a", value: "1", effect: "NoSchedule" },
      { key: "b", value: "", effect: "NoExecute" },
    ]);
  });
});

describe("site.json", () => {
  const slices = (text: string): Record<string, unknown> =>
    z
      .object({ machines: z.record(z.string(), z.looseObject({})) })
      .parse(JSON.parse(siteJson(parseSite(text, "/x.yaml")))).machines;

  test("a controller's slice has what k0s is configured with, a worker's only its version", () => {
    expect(slices(SITE)).toMatchObject({
      kc1: {
        cluster: {
          name: "production",
          k0sVersion: "1.36",
          endpoint: "192.0.2.20",
          sans: [],
          nodeLocalLoadBalancing: true,
          podNetwork: "10.244.0.0/16",
          serviceNetwork: "10.96.0.0/12",
        },
      },
      kw1: { cluster: { name: "production", k0sVersion: "1.36" } },
    });
    expect(slices(SITE)["kw1"]).toHaveProperty("cluster", {
      name: "production",
      k0sVersion: "1.36",
    });
    const none = SITE.replace(/(kw2:\n.*\n) {4}role: worker\n/, "$1");
    expect(slices(none)["kw2"]).not.toHaveProperty("cluster");
  });

  test("what restarts no k0s is in no slice", () => {
    const edited = inVm(
      "kw1",
      'labels: { a: b }\n    taints: ["a:NoExecute"]',
    )(
      inCluster(
        `  caFingerprint: ${"ab".repeat(32)}\n  maxUnavailable: 2\n  drain: { timeout: 5m }`,
      )(SITE),
    );
    expect(slices(edited)).toEqual(slices(SITE));
  });

  test("a new controller changes no other slice", () => {
    const { kc3, ...others } = slices(SITE);
    expect(kc3).toBeDefined();
    expect(slices(without("kc3"))).toEqual(others);
  });
});
