/** The documentation of the options of our own modules. */
import { z } from "zod";
import { evaluate } from "./nix";

const documented = z.array(z.object({ name: z.string(), missing: z.array(z.string()) }));

test("every option has a type, a description and an example, also in submodules", () => {
  const found = documented.parse(
    evaluate(`let
      inherit (builtins) attrNames concatMap concatStringsSep filter;
      walk = path: tree: concatMap (name:
        let
          at = path ++ [ name ];
          option = tree.\${name};
          below = (option.type.getSubOptions or (_: { })) at;
          here = {
            name = concatStringsSep "." at;
            missing = filter (key: !(option ? \${key})) [ "type" "description" "example" ];
          };
        in
        if option._type or null == "option" then [ here ] ++ walk at below else walk at option
      ) (filter (name: name != "_module") (attrNames tree));
      arguments = { inherit (t) lib pkgs; config = throw "no config"; options = { }; };
      optionsOf = module:
        (t.lib.evalModules {
          modules = [ { inherit (import module arguments) options; } ];
        }).options;
    in concatMap (module: walk [ ] (optionsOf module)) (builtins.attrValues t.ours)`),
  );
  const names = found.map(({ name }) => name);
  for (const name of [
    "k0s-node.tokenFile",
    "microvm-bridge.ports",
    "microvm-guest.network.mac",
    "microvm-guest.shares.readOnly",
    "microvm-guest.volumes.sizeMiB",
    "microvm-virtualization.nested",
  ]) {
    expect(names).toContain(name);
  }
  expect(found.filter(({ missing }) => missing.length > 0)).toEqual([]);
});
