# Every option as data, or as the text of docs/options.md.
#
#     snowglobe eval nixpkgs/snowglobe/options.nix -A markdown
let
  lib = import ../lib;
  pkgs = import ../. { system = "x86_64-linux"; config = { }; overlays = [ ]; };

  test = (import ../nixos/lib { }).evalTest {
    name = "documentation";
    hostPkgs = pkgs;
    node.pkgs = pkgs;
    nodes.machine = { };
    testScript = "";
  };
  # The options of a machine of a test, which are all there are.
  machine = lib.modules.evalPreloaded {
    preloaded = lib.modules.joinPreloaded (import ../nixos/lib/base-modules.nix) (lib.modules.preload [
      ../nixos/modules/virtualisation/qemu-vm.nix
      ../nixos/modules/testing/test-instrumentation.nix
      ../nixos/modules/testing/test-base.nix
      test.config.extraBaseModules
      ({ config, pkgs, ... }@args: {
        _module.args = {
          name = "‹name›";
          nodes = { };
          utils = import ../nixos/lib/utils.nix { inherit lib; inherit (args) config pkgs; };
        };
        virtualisation.test.nodeName = "machine";
        nixpkgs.pkgs = pkgs';
      })
    ]);
    specialArgs = { modulesPath = toString ../nixos/modules; };
    class = "nixos";
  };
  pkgs' = pkgs;

  # A default can need what the documentation does not have; then there is none to show.
  shown = value:
    let result = builtins.tryEval (builtins.deepSeq (text value) (text value)); in
    if result.success then result.value else null;
  text = value:
    let whole = value.text or (toString value); in
    if builtins.stringLength whole > 300 then "${builtins.substring 0 300 whole}…" else whole;

  root = toString ../.;
  relative = file: lib.removePrefix "${root}/" (toString file);

  describe = option: {
    inherit (option) name loc type readOnly;
    description = if option.description == null then "" else option.description;
    # Packages are shown by their names only, and looking at one may be an error that nothing catches.
    default = if option ? default && !(lib.hasInfix "package" option.type) then shown option.default else null;
    example = if option ? example then shown option.example else null;
    declaredIn = lib.unique (map relative option.declarations);
  };

  list = options: map describe
    (lib.filter (option: option.visible && !option.internal && lib.head option.loc != "_module")
      (lib.optionAttrSetToDocList options));

  # Options of the testing framework whose types are whole configurations would repeat all others.
  flat = options: removeAttrs options [ "nodes" "interactive" ] // lib.mapAttrs
    (_: option: option // { type = option.type // { getSubOptions = _: { }; }; })
    { inherit (options) nodes interactive; };

  # -- Markdown ---------------------------------------------------------------------------------

  oneLine = value: lib.replaceStrings [ "\n" ] [ " " ] value;
  code = value: "`${lib.replaceStrings [ "`" ] [ "'" ] (oneLine value)}`";
  entry = option: ''
    ### ${code option.name}

    ${lib.trim option.description}

    Type: ${oneLine option.type}.${lib.optionalString (option.default != null) " Default: ${code option.default}."}${lib.optionalString (option.example != null) " Example: ${code option.example}."}${lib.optionalString option.readOnly " Read-only."}${proof option}
  '';
  section = title: options: "## ${title}\n\n${lib.concatMapStringsSep "\n" entry options}";
  grouped = lib.groupBy (option: builtins.head (lib.splitString "." option.name)) nixos;

  # An option that is taken and does nothing, or is refused, says so at the start of its description.
  startsWith = words: option: lib.any (word: lib.hasPrefix word option.description) words;
  harmless = startsWith [ "Without effect" "Harmless" ];
  refused = startsWith [ "Not supported" ];
  all = testing ++ nixos;
  table = options: lib.concatMapStrings (option: "- ${code option.name}: ${oneLine (lib.trim option.description)}\n") options;

  # -- what tests have shown ----------------------------------------------------------------------

  # `option<TAB>test<TAB>verdict`, as tests/mutate leaves it.
  tested =
    let
      file = ../../tests/mutations;
      rows = map (lib.splitString "\t") (lib.filter (line: line != "" && !lib.hasPrefix "#" line) (lib.splitString "\n" (builtins.readFile file)));
      of = verdict: lib.mapAttrs (_: rows: lib.unique (map (row: lib.elemAt row 1) rows)) (lib.groupBy builtins.head (lib.filter (row: lib.elemAt row 2 == verdict) rows));
    in
    if builtins.pathExists file then of else (_: { });
  failing = tested "fails";
  required = tested "refuses";
  proof = option:
    if harmless option || refused option then ""
    else if failing ? ${option.name} then " Tested by ${lib.concatStringsSep ", " failing.${option.name}}."
    else if required ? ${option.name} then " Untested; ${lib.concatStringsSep ", " required.${option.name}} cannot do without it."
    else " Untested.";

  # -- options that nothing reads ------------------------------------------------------------------

  # Names that stand in the modules once: where they are declared, and nowhere else. A name that is
  # read stands twice at least; modules that read names by rule are left out here.
  byRule = [
    "systemd.network." "services.logind." "services.vsftpd." "boot.kernel.sysctl." "services.openssh.settings."
    "services.samba.settings." "services.postgresql.settings." "services.postgresql.ensureUsers." "networking.firewall."
    "services.prometheus.scrapeConfigs." "users.extraUsers"
    "services.sslh.settings." "services.transmission.settings." "services.aria2.settings." "services.pgbouncer.settings." "security.krb5.settings." "services.prosody.modules."
  ];
  sources = directory: lib.concatLists (lib.mapAttrsToList
    (name: kind:
      let path = directory + "/${name}"; in
      if kind == "directory" then (if name == "tests" then [ ] else sources path)
      else lib.optional (lib.hasSuffix ".nix" name) (builtins.readFile path))
    (builtins.readDir directory));
  words = text: lib.filter builtins.isString (builtins.split "[^A-Za-z0-9_-]+" text);
  uses = lib.mapAttrs (_: builtins.length) (builtins.groupBy lib.id (lib.concatMap words (sources ../nixos)));
  unread = map (option: option.name) (lib.filter
    (option:
      let last = lib.last option.loc; in
      !harmless option && !refused option
      # Read by the configurations of tests and by other modules' users, not by modules.
      && !option.readOnly
      && builtins.match "<.*>|\\*" last == null
      && !lib.any (prefix: lib.hasPrefix prefix option.name) byRule
      && uses.${last} or 0 == 1)
    nixos);

  nixos = list machine.options;
  testing = list (flat test.options);
in
{
  inherit nixos testing;
  count = {
    nixos = builtins.length nixos;
    testing = builtins.length testing;
    harmless = builtins.length (lib.filter harmless all);
    refused = builtins.length (lib.filter refused all);
    tested = builtins.length (lib.filter (option: failing ? ${option.name}) all);
  };
  # Options without a description, for whoever reviews them.
  inherit unread;
  undescribed = map (option: option.name) (lib.filter (option: option.description == "") (nixos ++ testing));
  markdown = ''
    # Options

    Every option that a machine's configuration and a test can set, generated from the modules
    (`nixpkgs/snowglobe/options.nix`). What is not here is not supported, and setting it is an error
    that names it. An option is *tested* if a test was seen to fail without it (`./x test --mutate`
    drops the options that a test sets, one at a time), and *untested* otherwise: it may work. That a
    test is refused without an option that must be set does not count.

    ## Options that are accepted and change nothing

    Each has its reason; there are no others.

    ${table (lib.filter harmless all)}
    ## Options that are refused

    They are known, and setting them is an error with this reason.

    ${table (lib.filter refused all)}
    ${section "Tests" testing}
    ${lib.concatStringsSep "\n" (lib.mapAttrsToList (root: section "${root}.*") grouped)}
  '';
}
