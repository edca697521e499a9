/** The flake, its template, and the documentation of the options. */
import { readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { z } from "zod";
import { parseEvaluation } from "../../components/evaluation/evaluate";
import { loadSite } from "../../site/load";
import { siteJson } from "../../site/siteJson";
import { evaluate, instantiate, repository } from "./nix";

const SKIPPED = new Set(["node_modules", "bin", ".git", ".site"]);

function nixFiles(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => !SKIPPED.has(entry.name))
    .flatMap((entry) => {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) return nixFiles(path);
      return entry.name.endsWith(".nix") ? [path] : [];
    });
}

test.each(nixFiles(repository).map((file) => relative(repository, file)))("%s parses", (file) => {
  expect(instantiate(["--parse", file])).toMatchObject({ code: 0 });
});

test("the flake has no inputs, and the documented outputs", () => {
  const found = evaluate(
    `let flake = import ${repository}/flake.nix; outputs = flake.outputs { }; in {
      inputs = builtins.attrNames (flake.inputs or { });
      modules = builtins.mapAttrs
        (_: module: map builtins.pathExists module.imports)
        outputs.nixosModules;
      lib = builtins.attrNames outputs.lib;
      template = builtins.pathExists (outputs.templates.default.path + "/flake.nix");
    }`,
  );
  expect(found).toEqual({
    inputs: [],
    modules: {
      "k0s-node": [true],
      "microvm-bridge": [true],
      "microvm-guest": [true],
      virtualization: [true],
    },
    lib: ["mkDevShell", "mkSite"],
    template: true,
  });
});

describe("the template", () => {
  const template = join(repository, "templates", "site");

  test("the fallback is the site.json of the template's site file", () => {
    const made = siteJson(loadSite(join(template, "stacks", "prod.yaml")));
    expect(readFileSync(join(template, "site", "site.json"), "utf8")).toBe(made);
  });

  test("the flake provides all systems, and a shell with the tools", () => {
    const found = evaluate(
      `let o = t.template "${template}/site"; in {
        inherit (o) pulumiMicrovm;
        configurations = builtins.mapAttrs
          (_: { config, ... }: t.failing config)
          o.nixosConfigurations;
        shell = o.devShells.x86_64-linux.default.packages;
      }`,
    );
    expect(found).toMatchObject({ configurations: { hv1: [], kc1: [], kw1: [] } });
    expect(found).toHaveProperty("shell", [
      "nodejs",
      "pulumi",
      "pulumi-nodejs",
      "git",
      "openssh",
      "nix-eval-jobs",
      "kubectl",
      "kubernetes-helm",
      "fluxcd",
      "cilium-cli",
      "age",
      "sops",
      "jq",
      "shellcheck",
    ]);
    const { pulumiMicrovm } = z.object({ pulumiMicrovm: z.unknown() }).parse(found);
    const { machines } = parseEvaluation(JSON.stringify(pulumiMicrovm), "template");
    expect(Object.keys(machines)).toEqual(["kc1", "kw1"]);
    expect(pulumiMicrovm).toHaveProperty("hypervisors.hv1.outputs.out");
  });
});

test("docs/nixos-options.md lists exactly the options that our modules use", () => {
  const leaves = evaluate(`
    let
      leavesOf = path: tree: builtins.concatMap (name:
        let at = path ++ [ name ]; in
        if tree.\${name}._type or null == "option"
        then [ (builtins.concatStringsSep "." at) ]
        else leavesOf at tree.\${name}
      ) (builtins.attrNames tree);
    in builtins.concatMap (part: leavesOf [ ] part.options) (with t.stubs; [
      nixos microvm host k0s nixpkgs
    ])
  `);
  const text = readFileSync(join(repository, "docs", "nixos-options.md"), "utf8");
  const listed = [...text.matchAll(/^\| `([^`]+)`/gm)].map(([, option]) => option);
  expect(listed.sort()).toEqual(Array.isArray(leaves) ? leaves.map(String).sort() : []);
});
