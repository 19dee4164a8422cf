# Descriptions of packages.
{ lib }:
rec {
  defaultPriority = 5;
  addMetaAttrs = new: drv:
    if drv ? overrideAttrs then drv.overrideAttrs (old: { meta = (old.meta or { }) // new; })
    else drv // { meta = (drv.meta or { }) // new; };
  dontDistribute = addMetaAttrs { hydraPlatforms = [ ]; };
  setName = name: drv: drv // { inherit name; };
  updateName = f: drv: drv // { name = f drv.name; };
  appendToName = suffix: updateName (name:
    let parts = builtins.parseDrvName name; in
    "${parts.name}-${suffix}${lib.optionalString (parts.version != "") "-${parts.version}"}");
  mapDerivationAttrset = f: builtins.mapAttrs (_: pkg: if lib.isDerivation pkg then f pkg else pkg);
  setPrio = priority: addMetaAttrs { inherit priority; };
  lowPrio = setPrio 10;
  lowPrioSet = mapDerivationAttrset lowPrio;
  hiPrio = setPrio (-10);
  hiPrioSet = mapDerivationAttrset hiPrio;
  platformMatch = platform: pattern:
    if builtins.isString pattern then platform.system or null == pattern
    else lib.matchAttrs (pattern.parsed or pattern) (platform.parsed or platform)
      || lib.matchAttrs pattern platform;
  availableOn = platform: pkg:
    (!(pkg.meta ? platforms) || lib.any (platformMatch platform) pkg.meta.platforms)
    && !lib.any (platformMatch platform) (pkg.meta.badPlatforms or [ ]);

  getExe = pkg: getExe' pkg (pkg.meta.mainProgram or (
    lib.warn "getExe: package ${lib.generators.toPretty { } (pkg.meta.name or pkg.pname or pkg.name)} does not have the meta.mainProgram attribute; assuming it is its name"
      (lib.getName pkg)));
  getExe' = pkg: program:
    if !lib.isDerivation pkg then throw "lib.meta.getExe': expected a derivation, got a value of type ${builtins.typeOf pkg}"
    else if !builtins.isString program then throw "lib.meta.getExe': the program's name must be a string, not of type ${builtins.typeOf program}"
    else if lib.hasInfix "/" program then throw "lib.meta.getExe': the program's name ${program} must not have a slash"
    else "${lib.getBin pkg}/bin/${program}";

  getLicenseFromSpdxId = id: getLicenseFromSpdxIdOr id (
    lib.warn "getLicenseFromSpdxId: no license matches the given SPDX ID: ${id}" { shortName = id; });
  getLicenseFromSpdxIdOr =
    let
      byId = lib.listToAttrs (lib.concatMap
        (license: lib.optional (license ? spdxId) (lib.nameValuePair (lib.toLower license.spdxId) license))
        (builtins.attrValues lib.licenses));
    in
    id: default: byId.${lib.toLower id} or default;
  licensesSpdx = lib.listToAttrs (lib.concatMap
    (license: lib.optional (license ? spdxId) (lib.nameValuePair license.spdxId license))
    (builtins.attrValues lib.licenses));

  # The parts of a CPE name for a version that is whole.
  cpeFullVersionWithVendor = vendor: version: { inherit vendor version; update = "*"; };
}
