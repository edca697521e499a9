# A stand-in for the part of nixpkgs' lib that our modules use. It allows evaluating them without
# nixpkgs.
#
# It supports options with types, defaults and submodules, mkIf, mkMerge, mkDefault, mkForce and
# imports. As in the real lib, an undeclared option is an error. It does not support
# disabledModules, freeform types, apply, mkOrder, readOnly, documentation, option declarations that
# depend on config, and _module.args in modules that are functions.
# `NIXPKGS_LIB=/path/to/nixpkgs/lib` runs the same tests with the real lib (tests/nix/evaluate.nix).
let
  inherit (builtins)
    all
    any
    attrNames
    concatLists
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    foldl'
    groupBy
    head
    isAttrs
    isBool
    isFunction
    isInt
    isList
    isPath
    isString
    length
    listToAttrs
    map
    mapAttrs
    match
    removeAttrs
    stringLength
    substring
    ;

  unique = foldl' (seen: x: if elem x seen then seen else seen ++ [ x ]) [ ];
  show = path: concatStringsSep "." path;
  isKind = kind: value: isAttrs value && value._type or null == kind;
  defaultPriority = 100;

  lib = {
    mkOption = attributes: attributes // { _type = "option"; };
    mkEnableOption =
      what:
      lib.mkOption {
        type = lib.types.bool;
        default = false;
        example = true;
        description = "Whether to enable ${what}.";
      };
    mkIf = condition: content: {
      _type = "if";
      inherit condition content;
    };
    mkMerge = contents: {
      _type = "merge";
      inherit contents;
    };
    mkOverride = priority: content: {
      _type = "override";
      inherit priority content;
    };
    mkDefault = lib.mkOverride 1000;
    mkForce = lib.mkOverride 50;
    # The order of definitions is not supported, nor are texts that a regular expression escapes.
    mkAfter = content: content;
    inherit concatMap concatStringsSep unique;
    concatMapStringsSep = separator: f: values: concatStringsSep separator (map f values);
    splitString =
      separator: text: builtins.filter isString (builtins.split (lib.escapeRegex separator) text);
    escapeRegex = text: text;
    removePrefix =
      prefix: text: substring (stringLength prefix) (stringLength text - stringLength prefix) text;
    hasSuffix =
      suffix: text:
      let
        start = stringLength text - stringLength suffix;
      in
      start >= 0 && substring start (stringLength suffix) text == suffix;
    removeSuffix = suffix: text: substring 0 (stringLength text - stringLength suffix) text;
    hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
    optional = condition: value: if condition then [ value ] else [ ];
    optionals = condition: values: if condition then values else [ ];
    optionalAttrs = condition: set: if condition then set else { };
    optionalString = condition: text: if condition then text else "";

    types = rec {
      one = name: check: {
        inherit name check;
        getSubOptions = _: { };
        merge =
          path: values:
          if all (value: value == head values) values then
            head values
          else
            throw "The option `${show path}' has conflicting definition values";
      };
      raw = one "raw" (_: true) // {
        merge =
          path: values:
          if length values == 1 then
            head values
          else
            throw "The option `${show path}' is defined twice";
      };
      bool = one "boolean" isBool;
      str = one "string" isString;
      int = one "integer" isInt;
      ints = {
        positive = one "positive integer" (value: isInt value && value > 0);
        unsigned = one "unsigned integer" (value: isInt value && value >= 0);
        between =
          low: high:
          one "integer between ${toString low} and ${toString high}" (
            value: isInt value && value >= low && value <= high
          );
      };
      path = one "path" (value: isPath value || isString value);
      lines = one "lines" isString // {
        merge = _: concatStringsSep "\n";
      };
      enum = values: one "one of ${toString values}" (value: elem value values);
      strMatching =
        pattern:
        one "string matching ${pattern}" (value: isString value && match pattern value != null);
      oneOf = types: one "one of several types" (value: any (type: type.check value) types);
      nullOr = inner: {
        name = "null or ${inner.name}";
        inherit (inner) getSubOptions;
        check = value: value == null || inner.check value;
        merge =
          path: values: if all (value: value == null) values then null else inner.merge path values;
      };
      listOf = inner: {
        name = "list of ${inner.name}";
        inherit (inner) getSubOptions;
        check = isList;
        merge =
          path: values:
          map (value: mergeDefinitions inner (path ++ [ "[]" ]) [ value ]) (concatLists values);
      };
      attrsOf = inner: {
        name = "attribute set of ${inner.name}";
        inherit (inner) getSubOptions;
        check = isAttrs;
        merge =
          path: sets:
          let
            definitionsOf = name: concatMap (set: lib.optional (set ? ${name}) set.${name}) sets;
            # An attribute that only false mkIfs define does not exist.
            names = filter (name: concatMap discharge (definitionsOf name) != [ ]) (
              unique (concatMap attrNames sets)
            );
          in
          listToAttrs (
            map (name: {
              inherit name;
              value = mergeDefinitions inner (path ++ [ name ]) (definitionsOf name);
            }) names
          );
      };
      submodule = module: {
        name = "submodule";
        getSubOptions = path: (evaluate path { } [ module ]).options;
        check = value: isAttrs value || isFunction value;
        merge = path: values: (evaluate path { } ([ module ] ++ values)).config;
      };
    };

    evalModules =
      {
        modules,
        specialArgs ? { },
      }:
      evaluate [ ] specialArgs modules;
  };

  # The values of one definition with their priorities, without those of false mkIfs.
  discharge =
    value:
    if isKind "merge" value then
      concatMap discharge value.contents
    else if isKind "if" value then
      lib.optionals value.condition (discharge value.content)
    else if isKind "override" value then
      map (found: found // { inherit (value) priority; }) (discharge value.content)
    else
      [
        {
          priority = defaultPriority;
          inherit value;
        }
      ];

  # Moves conditions from attribute sets down to their options, so that names are known before any
  # condition is evaluated.
  pushDown =
    value:
    if isKind "merge" value then
      concatMap pushDown value.contents
    else if isKind "if" value then
      map (mapAttrs (_: lib.mkIf value.condition)) (pushDown value.content)
    else if isKind "override" value then
      map (mapAttrs (_: lib.mkOverride value.priority)) (pushDown value.content)
    else
      [ value ];

  mergeDefinitions =
    type: path: definitions:
    let
      found = concatMap discharge definitions;
      strongest = foldl' (
        best: { priority, ... }: if priority < best then priority else best
      ) 9999 found;
      values = map (entry: entry.value) (filter (entry: entry.priority == strongest) found);
      wrong = filter (value: !(type.check value)) values;
    in
    if wrong != [ ] then
      throw "A definition for option `${show path}' is not of type `${type.name}'"
    else
      type.merge path values;

  evaluate =
    prefix: specialArgs: modules:
    let
      given = foldl' (
        all: module: if isAttrs module then all // module._module.args or { } else all
      ) { } modules;
      args =
        specialArgs
        // given
        // {
          inherit lib options config;
        };

      load =
        module:
        let
          value = if isPath module || isString module then import module else module;
          set = if isFunction value then value args else value;
          rest = removeAttrs set [
            "imports"
            "_file"
            "options"
            "config"
          ];
        in
        concatMap load (set.imports or [ ])
        ++ [
          {
            options = set.options or { };
            config = if set ? config || set ? options then set.config or { } else rest;
          }
        ];
      loaded = concatMap load modules;

      mergeOptions =
        sets:
        mapAttrs (
          _: values:
          let
            trees = map (entry: entry.value) values;
          in
          if isKind "option" (head trees) then head trees else mergeOptions trees
        ) (groupBy (entry: entry.name) (concatMap entriesOf sets));
      entriesOf =
        set:
        map (name: {
          inherit name;
          value = set.${name};
        }) (attrNames set);
      options = mergeOptions (map (module: module.options) loaded);

      # definitions: the attribute sets at `path`, not merged yet
      build =
        path: tree: definitions:
        let
          sets = concatMap pushDown definitions;
          unknown = filter (name: !(tree ? ${name}) && name != "_module") (
            unique (concatMap attrNames sets)
          );
          at = name: concatMap (set: lib.optional (set ? ${name}) set.${name}) sets;
          valueOf =
            name: declared:
            let
              here = path ++ [ name ];
              found = concatMap discharge (at name);
            in
            if !(isKind "option" declared) then
              build here declared (at name)
            else if found == [ ] && declared ? default then
              declared.default
            else if found == [ ] then
              throw "The option `${show here}' is used but not defined"
            else
              mergeDefinitions declared.type here (at name);
        in
        if unknown != [ ] then
          throw "The option `${show (path ++ [ (elemAt unknown 0) ])}' does not exist"
        else
          mapAttrs valueOf tree;
      config = build prefix options (map (module: module.config) loaded);
    in
    {
      inherit config options;
    };
in
lib
