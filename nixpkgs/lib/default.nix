# The library. Every part is evaluated when something of it is first used.
let
  inherit (import ./fixed-points.nix { lib = null; }) makeExtensible;

  lib = makeExtensible (self:
    let part = file: import file { lib = self; }; in
    {
      # -- parts --
      asserts = part ./asserts.nix;
      attrsets = part ./attrsets.nix;
      cli = part ./cli.nix;
      customisation = part ./customisation.nix;
      debug = part ./debug.nix;
      derivations = part ./derivations.nix;
      fetchers = part ./fetchers.nix;
      fileset = part ./fileset.nix;
      filesystem = part ./filesystem.nix;
      fixedPoints = part ./fixed-points.nix;
      generators = part ./generators.nix;
      gvariant = part ./gvariant.nix;
      kernel = part ./kernel.nix;
      licenses = part ./licenses.nix;
      lists = part ./lists.nix;
      maintainers = part ./maintainers.nix;
      meta = part ./meta.nix;
      misc = part ./misc.nix;
      modules = part ./modules.nix;
      network = part ./network.nix;
      options = part ./options.nix;
      path = part ./path.nix;
      platforms = self.systems.doubles;
      properties = part ./properties.nix;
      sources = part ./sources.nix;
      sourceTypes = part ./source-types.nix;
      strings = part ./strings.nix;
      stringsWithDeps = part ./strings-with-deps.nix;
      systems = part ./systems.nix;
      teams = self.maintainers.teams;
      trivial = part ./trivial.nix;
      types = part ./types.nix;
      versions = part ./versions.nix;

      # -- builtins under the library's name --
      inherit (builtins)
        add addErrorContext attrNames attrValues baseNameOf bitAnd bitOr bitXor catAttrs ceil
        compareVersions concatLists concatMap deepSeq dirOf div elem elemAt filter floor fromJSON
        genList genericClosure getAttr groupBy hasAttr hashFile hashString head intersectAttrs
        isAttrs isBool isFloat isInt isList isPath isString length lessThan listToAttrs map
        mapAttrs match mul parseDrvName pathExists placeholder readDir readFile removeAttrs
        replaceStrings seq sort split splitVersion storeDir stringLength sub substring tail toFile toJSON toString
        toXML trace tryEval typeOf unsafeDiscardStringContext unsafeGetAttrPos zipAttrsWith;
      fromTOML = builtins.fromTOML;
      inherit (builtins) addDrvOutputDependencies convertHash getContext hasContext unsafeDiscardOutputDependency;

      # Hashes that are right in form and of nothing.
      fakeHash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
      fakeSha256 = "0000000000000000000000000000000000000000000000000000000000000000";
      fakeSha512 = self.concatStrings (builtins.genList (_: "0") 128);

      inherit (self.generators) mkLuaInline;
      inherit (self.network.ipv6) mkEUI64Suffix;

      # -- flattened --
      inherit (self.misc)
        closePropagation imap maybeAttr maybeAttrNullable maybeEnv nixType nvs setAttr setAttrMerge
        uniqList uniqListExt;
      inherit (self.trivial)
        and bitNot boolToString boolToYesNo checkListOfEnum codeName compare concat const defaultTo
        flip fromHexString functionArgs id importJSON importTOML inNixShell inPureEvalMode info
        isFunction isInOldestRelease mapNullable max mergeAttrs min mirrorFunctionArgs mod
        nixpkgsVersion oldestSupportedReleaseIsAtLeast or pipe release setFunctionArgs showWarnings
        splitByAndCompare throwIf throwIfNot toBaseDigits toFunction toHexString version
        versionSuffix warn warnIf warnIfNot xor;
      inherit (self.fixedPoints)
        composeExtensions composeManyExtensions converge extends fix fix' makeExtensible
        makeExtensibleWithCustomName toExtension;
      inherit (self.attrsets)
        attrByPath attrVals attrsToList cartesianProduct cartesianProductOfSets chooseDevOutputs
        collect concatMapAttrs dontRecurseIntoAttrs filterAttrs filterAttrsRecursive foldAttrs
        foldlAttrs genAttrs genAttrs' getAttrFromPath getAttrs getBin getDev getFirstOutput
        getInclude getLib getMan getOutput getStatic hasAttrByPath isDerivation mapAttrs'
        mapAttrsRecursive mapAttrsRecursiveCond mapAttrsToList mapAttrsToListRecursive
        mapAttrsToListRecursiveCond mapCartesianProduct matchAttrs mergeAttrsList nameValuePair
        optionalAttrs overrideExisting recurseIntoAttrs recursiveUpdate recursiveUpdateUntil
        setAttrByPath showAttrPath toDerivation unionOfDisjoint updateManyAttrsByPath zipAttrs
        zipAttrsWithNames zipWithNames;
      inherit (self.lists)
        all allUnique any compareLists concatAttrValues count crossLists drop dropEnd findFirst
        findFirstIndex findSingle flatten fold foldl foldl' foldr forEach groupBy' ifilter0 imap0
        imap1 init intersectLists last listDfs mutuallyExclusive naturalSort optional optionals
        partition range remove replaceElemAt replicate reverseList singleton sortOn sublist
        subtractLists take takeEnd toList toposort unique uniqueStrings zipLists zipListsWith;
      inherit (self.strings)
        addContextFrom appendContext charToInt cmakeBool cmakeFeature cmakeOptionType
        commonPrefixLength commonSuffixLength concatImapStrings concatImapStringsSep concatLines
        concatMapAttrsStringSep concatMapStrings concatMapStringsSep concatStrings concatStringsSep
        enableFeature enableFeatureAs escape escapeC escapeNixIdentifier escapeNixString escapeRegex
        escapeShellArg escapeShellArgs escapeURL escapeXML fileContents fixedWidthNumber
        fixedWidthString floatToString getName getVersion hasInfix hasPrefix hasSuffix intersperse
        isCoercibleToString isConvertibleWithToString isStorePath isStringLike isValidPosixName join
        levenshtein levenshteinAtMost lowerChars makeBinPath makeIncludePath makeLibraryPath
        makeSearchPath makeSearchPathOutput mesonBool mesonEnable mesonOption nameFromURL
        normalizePath optionalString readPathsFromFile removePrefix removeSuffix replaceString
        sanitizeDerivationName splitString splitStringBy stringAsChars stringToCharacters
        toCamelCase toInt toIntBase10 toLower toSentenceCase toShellVar toShellVars toUpper trim
        trimWith upperChars versionAtLeast versionOlder withFeature withFeatureAs;
      inherit (self.stringsWithDeps)
        fullDepEntry noDepEntry packEntry stringAfter textClosureList textClosureMap;
      inherit (self.customisation)
        callPackageWith callPackagesWith extendDerivation extendMkDerivation hydraJob
        makeOverridable makeScope makeScopeWithSplicing makeScopeWithSplicing' mapCrossIndex
        overrideDerivation renameCrossIndexFrom renameCrossIndexTo;
      inherit (self.derivations)
        lazyDerivation optionalDrvAttr warnOnInstantiate;
      inherit (self.options)
        getFiles getValues isOption literalCode literalExpression literalMD mdDoc mergeDefaultOption
        mergeEqualOption mergeOneOption mergeUniqueOption mkEnableOption mkOption mkPackageOption
        mkSinkUndeclaredOptions optionAttrSetToDocList optionAttrSetToDocList' scrubOptionValue
        showDefs showFiles showOption showOptionWithDefLocs unknownModule;
      inherit (self.types)
        defaultFunctor defaultTypeMerge isOptionType isType mergeTypes mkOptionType setType;
      inherit (self.modules)
        applyModuleArgsIfFunction dischargeProperties doRename evalModules evalOptionValue
        filterOverrides fixMergeModules fixupOptionType importApply mergeDefinitions mergeModules
        mergeModules' mergeOptionDecls mkAfter mkAliasAndWrapDefinitions
        mkAliasAndWrapDefsWithPriority mkAliasDefinitions mkAliasIfDef mkAliasOptionModule
        mkAliasOptionModuleMD mkAssert mkBefore mkChangedOptionModule mkDefault mkDefinition
        mkDerivedConfig mkFixStrictness mkForce mkIf mkImageMediaOverride mkMerge
        mkMergedOptionModule mkOptionDefault mkOrder mkOverride mkRemovedOptionModule
        mkRenamedOptionModule mkRenamedOptionModuleWith mkVMOverride pushDownProperties
        setDefaultModuleLocation sortProperties unifyModuleSyntax;
      inherit (self.asserts)
        assertEachOneOf assertMsg assertOneOf checkAssertWarn;
      inherit (self.debug)
        runTests testAllTrue traceFnSeqN traceIf traceSeq traceSeqN traceVal traceValFn traceValSeq
        traceValSeqFn traceValSeqN traceValSeqNFn;
      inherit (self.meta)
        addMetaAttrs appendToName availableOn dontDistribute getExe getExe' getLicenseFromSpdxId
        getLicenseFromSpdxIdOr hiPrio hiPrioSet licensesSpdx lowPrio lowPrioSet mapDerivationAttrset
        platformMatch setName setPrio updateName;
      inherit (self.sources)
        canCleanSource cleanSource cleanSourceFilter cleanSourceWith commitIdFromGitRepo
        filterSource pathHasContext pathIsGitRepo repoRevToName revOrTag sourceByGlobs sourceByRegex
        sourceFilesBySuffices;
      inherit (self.filesystem)
        listFilesRecursive packagesFromDirectoryRecursive pathIsDirectory pathIsRegularFile pathType
        readFileType;
    });
in
lib
