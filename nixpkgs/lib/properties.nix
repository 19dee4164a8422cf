# Properties of definitions (conditions, priorities, order), and what merging does with them.
{ lib }:
let
  inherit (builtins) concatMap filter foldl' head isAttrs isBool isList length map mapAttrs sort tail;
  inherit (lib) getAttrFromPath mkOption setAttrByPath showOption;
in
rec {
  defaultOverridePriority = 100;
  defaultOrderPriority = 1000;

  mkIf = condition: content: { _type = "if"; inherit condition content; };
  mkMerge = contents: { _type = "merge"; inherit contents; };
  mkAssert = assertion: message: content:
    mkIf (if assertion then true else throw "\nFailed assertion: ${message}") content;
  mkOverride = priority: content: { _type = "override"; inherit priority content; };
  mkOptionDefault = mkOverride 1500;
  mkDefault = mkOverride 1000;
  mkImageMediaOverride = mkOverride 60;
  mkForce = mkOverride 50;
  mkVMOverride = mkOverride 10;
  mkFixStrictness = lib.warn "lib.mkFixStrictness has no effect and will be removed." lib.id;
  mkOrder = priority: content: { _type = "order"; inherit priority content; };
  mkBefore = mkOrder 500;
  mkAfter = mkOrder 1500;
  # A value that names the file it comes from.
  mkDefinition = args@{ file, value, ... }: args // { _type = "definition"; };

  # -- properties of sets ----------------------------------------------------------------------

  # The sets that a configuration consists of, its properties moved to their attributes.
  pushDownProperties = value:
    let type = value._type or null; in
    if type == "merge" then concatMap pushDownProperties value.contents
    else if type == "if" then map (mapAttrs (_: mkIf value.condition)) (pushDownProperties value.content)
    else if type == "override" then map (mapAttrs (_: mkOverride value.priority)) (pushDownProperties value.content)
    else [ value ];

  # As `pushDownProperties`, for one definition: a list of sets of definitions by attribute name.
  # A definition knows its `file`, its `value` and the set it stood in, whence its line.
  splitDefinition = loc: file: value:
    let type = value._type or null; in
    if type == null then
      (if isAttrs value then [ (mapAttrs (_: v: { inherit file; value = v; parent = value; }) value) ]
      else throw "In module `${file}', you're trying to define a value of type `${builtins.typeOf value}'\nrather than an attribute set for the option `${showOption loc}'!\n\nThis usually happens if `${showOption loc}' has option definitions inside that are not declared there.")
    else if type == "if" then
      map (mapAttrs (_: def: { inherit (def) file parent; value = { _type = "if"; inherit (value) condition; content = def.value; }; }))
        (splitDefinition loc file value.content)
    else if type == "merge" then concatMap (splitDefinition loc file) value.contents
    else if type == "override" then
      map (mapAttrs (_: def: { inherit (def) file parent; value = { _type = "override"; inherit (value) priority; content = def.value; }; }))
        (splitDefinition loc file value.content)
    else if type == "definition" then splitDefinition loc value.file value.value
    else [ (mapAttrs (_: v: { inherit file; value = v; parent = value; }) value) ];

  # -- properties of values --------------------------------------------------------------------

  dischargeProperties = value:
    let type = value._type or null; in
    if type == "if" then
      (if isBool value.condition then (if value.condition then dischargeProperties value.content else [ ])
      else throw "‘mkIf’ called with a non-Boolean condition of type `${builtins.typeOf value.condition}'")
    else if type == "merge" then concatMap dischargeProperties value.contents
    else [ value ];

  # The definitions that remain of one whose value has conditions or parts.
  dischargeDefinition = def:
    let
      value = def.value;
      type = value._type or null;
    in
    if type == null || type == "override" || type == "order" then [ def ]
    else if type == "if" then
      (if isBool value.condition then (if value.condition then dischargeDefinition (def // { value = value.content; }) else [ ])
      else throw "‘mkIf’ called with a non-Boolean condition of type `${builtins.typeOf value.condition}', in `${def.file}'")
    else if type == "merge" then concatMap (content: dischargeDefinition (def // { value = content; })) value.contents
    else if type == "definition" then dischargeDefinition { inherit (value) file value; }
    else [ def ];

  priorityOf = def: if def.value._type or null == "override" then def.value.priority else 100;

  # Only the definitions of the strongest priority, without it.
  filterOverrides = defs: (filterOverrides' defs).values;
  filterOverrides' = defs:
    let
      strongest = foldl' (acc: def: let p = priorityOf def; in if p < acc then p else acc) 9999 defs;
      # What stands inside an override may have conditions of its own.
      strip = def:
        if def.value._type or null == "override"
        then dischargeDefinition (def // { value = def.value.content; })
        else [ def ];
    in
    {
      highestPrio = strongest;
      values = concatMap (def: if priorityOf def == strongest then strip def else [ ]) defs;
    };

  # In the order of `mkOrder`, those of equal order as they come.
  sortProperties = defs:
    let
      strip = def:
        if def.value._type or null == "order"
        then def // { value = def.value.content; priority = def.value.priority; }
        else def;
      order = def: def.priority or 1000;
    in
    sort (a: b: order a < order b) (map strip defs);

  # -- what remains of all definitions of one option -------------------------------------------

  resolveDefinitions = defs:
    let
      discharged = if defs != [ ] && tail defs == [ ] then dischargeDefinition (head defs) else concatMap dischargeDefinition defs;
      only = head discharged;
      overridden = filterOverrides' discharged;
      ordered = builtins.any (def: def.value._type or null == "order") overridden.values;
    in
    if discharged == [ ] then { values = [ ]; highestPrio = 9999; }
    else if tail discharged == [ ] && !(only.value ? _type) then { values = discharged; highestPrio = 100; }
    else {
      inherit (overridden) highestPrio;
      values = if ordered then sortProperties overridden.values else overridden.values;
    };

  # Apply `f` to the values inside properties.
  mapDefinitionValue = f: value:
    let type = value._type or null; in
    if type == "if" || type == "override" || type == "order" then value // { content = mapDefinitionValue f value.content; }
    else if type == "merge" then value // { contents = map (mapDefinitionValue f) value.contents; }
    else if type == "definition" then value // { value = mapDefinitionValue f value.value; }
    else f value;

  # -- options that stand for others -----------------------------------------------------------

  mkAliasIfDef = option: mkIf (lib.isOption option && option.isDefined);
  mkAliasDefinitions = mkAliasAndWrapDefinitions lib.id;
  mkAliasAndWrapDefinitions = wrap: option: mkAliasIfDef option (wrap (mkMerge option.definitions));
  mkAliasAndWrapDefsWithPriority = wrap: option:
    mkAliasIfDef option
      (wrap (mkMerge (map (mkOverride (option.highestPrio or defaultOverridePriority)) option.definitions)));
  # From an option's value, with the priority of its definitions.
  mkDerivedConfig = option: f: mkOverride (option.highestPrio or defaultOverridePriority) (f option.value);

  mkRemovedOptionModule = path: instructions: { options, ... }: {
    options = setAttrByPath path (mkOption {
      visible = false;
      apply = _: throw "The option `${showOption path}' can no longer be used since it's been removed. ${instructions}";
    });
    # In a submodule without assertions nobody would read them.
    config = lib.optionalAttrs (options ? assertions) {
      assertions =
        let option = getAttrFromPath path options; in [
          {
            assertion = !option.isDefined;
            message = ''
              The option definition `${showOption path}' in ${lib.showFiles option.files} no longer has any effect; please remove it.
              ${instructions}
            '';
          }
        ];
    };
  };

  mkRenamedOptionModule = from: to: doRename {
    inherit from to;
    visible = false;
    warn = true;
    use = builtins.trace "Obsolete option `${showOption from}' is used. It was renamed to `${showOption to}'.";
  };

  mkRenamedOptionModuleWith = { from, to, sinceRelease }: doRename {
    inherit from to;
    visible = false;
    warn = lib.oldestSupportedReleaseIsAtLeast sinceRelease;
    use = lib.warnIf (lib.oldestSupportedReleaseIsAtLeast sinceRelease)
      "Obsolete option `${showOption from}' is used. It was renamed to `${showOption to}'.";
  };

  mkAliasOptionModule = from: to: doRename {
    inherit from to;
    visible = true;
    warn = false;
    use = lib.id;
  };
  mkAliasOptionModuleMD = mkAliasOptionModule;

  # Several old options become one new one, computed from the configuration.
  mkMergedOptionModule = from: to: mergeFn: { config, options, ... }: {
    options = lib.foldl' lib.recursiveUpdate { } (map
      (path: setAttrByPath path (mkOption {
        visible = false;
        # Reading it gives nothing; it only collects definitions.
        default = "_mkMergedOptionModule";
      }))
      from);
    config = {
      warnings = filter (text: text != "") (map
        (path:
          let option = getAttrFromPath path options; in
          lib.optionalString (getAttrFromPath path config != "_mkMergedOptionModule")
            "The option `${showOption path}' defined in ${lib.showFiles option.files} has been changed to `${showOption to}' that has a different type. Please read `${showOption to}' documentation and update your configuration accordingly.")
        from);
    } // setAttrByPath to (mkMerge (lib.optional
      (lib.any (path: getAttrFromPath path config != "_mkMergedOptionModule") from)
      (mergeFn config)));
  };

  mkChangedOptionModule = from: to: changeFn: mkMergedOptionModule [ from ] to changeFn;

  doRename = { from, to, visible, warn, use, withPriority ? true, condition ? true }: { config, options, ... }:
    let
      source = getAttrFromPath from options;
      target = lib.attrByPath to (abort "Renaming error: option `${showOption to}' does not exist.");
      type = (lib.attrByPath to { } options).type or null;
      wrap = if withPriority then mkAliasAndWrapDefsWithPriority else mkAliasAndWrapDefinitions;
      renamed = lib.optionalAttrs (options ? warnings) {
        warnings = lib.optional (warn && source.isDefined)
          "The option `${showOption from}' defined in ${lib.showFiles source.files} has been renamed to `${showOption to}'.";
      };
    in
    {
      options = setAttrByPath from (mkOption {
        inherit visible;
        description = "Alias of {option}`${showOption to}`.";
        apply = _: use (target config);
      } // lib.optionalAttrs (type != null) { inherit type; });
      config = mkIf condition (mkMerge [ renamed (wrap (setAttrByPath to) source) ]);
    };
}
