/** Warnings about a cluster. */
import { parseSiteWithWarnings } from "../../../../site/load";
import { SITE, endpoint, noEndpoint, warningsOf, without } from "./cases";

describe("warnings", () => {
  const moved = (name: string, to: string) => (text: string) =>
    text.replace(new RegExp(`(  ${name}:\\n    hypervisor: )hv.`), `$1${to}`);

  test.each<[string, (site: string) => string, string[]]>([
    [
      "two controllers",
      (s) => without("kc3", s),
      [
        "x.yaml:3:3 cluster: 2 controllers survive the loss of none, as 1 would; use 1 or " +
          "3 controllers",
      ],
    ],
    [
      "four controllers",
      (s) => s.replace("role: worker", "role: controller+worker"),
      [
        "x.yaml:3:3 cluster: 4 controllers survive the loss of 1, as 3 would; use 3 or 5 " +
          "controllers",
        "x.yaml:3:3 cluster: without hv1, the cluster has no quorum: 2 of its 4 " +
          "controllers are there (kc1, kw1); spread the controllers over at least three " +
          "hypervisors",
      ],
    ],
    [
      "a hypervisor with two of three",
      moved("kc3", "hv2"),
      [
        "x.yaml:3:3 cluster: without hv2, the cluster has no quorum: 2 of its 3 " +
          "controllers are there (kc2, kc3); spread the controllers over at least three " +
          "hypervisors",
      ],
    ],
    [
      "an endpoint that is one of three",
      endpoint("192.0.2.22"),
      [
        "x.yaml:6:15 cluster.api.endpoint: while kc2 is down, kubeconfigs of this cluster " +
          "reach no API; use a virtual IP or a load balancer",
      ],
    ],
  ])("%s", (_, edit, expected) => {
    expect(warningsOf(edit(SITE))).toEqual(expected);
  });

  test("one controller has none, also as the endpoint", () => {
    const alone = without("kc2", without("kc3"));
    expect(warningsOf(noEndpoint(alone))).toEqual([]);
    expect(warningsOf(endpoint("192.0.2.21")(alone))).toEqual([]);
  });

  test("are data with codes, and stop nothing", () => {
    const { model, warnings } = parseSiteWithWarnings(without("kc3"), "x.yaml");
    expect(model.vms).toHaveLength(4);
    expect(warnings).toMatchObject([
      { code: "quorum", path: ["cluster"], position: { line: 3, column: 3 } },
    ]);
  });
});
