# A script of provider/scripts as one file, after the scripts that it needs. Each script lists those
# in its head, `# needs: lib vmm`. provider/hosts/transport/script.ts reads the same lines.
{ lib }:
let
  root = ../../provider/scripts;
  namesIn = directory: builtins.attrNames (builtins.readDir (root + "/${directory}"));
  directories = builtins.filter (name: (builtins.readDir root).${name} == "directory") (
    builtins.attrNames (builtins.readDir root)
  );
  texts = builtins.listToAttrs (
    lib.concatMap (
      directory:
      map (file: {
        name = lib.removeSuffix ".sh" file;
        value = builtins.readFile (root + "/${directory}/${file}");
      }) (builtins.filter (lib.hasSuffix ".sh") (namesIn directory))
    ) directories
  );
  mark = "# needs: ";
  needsOf =
    name:
    lib.concatMap (line: lib.splitString " " (lib.removePrefix mark line)) (
      builtins.filter (lib.hasPrefix mark) (lib.splitString "\n" texts.${name})
    );
  withNeeds = name: lib.unique (lib.concatMap withNeeds (needsOf name) ++ [ name ]);
in
name: builtins.toFile name (lib.concatMapStringsSep "\n" (part: texts.${part}) (withNeeds name))
