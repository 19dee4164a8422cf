# What errors must say. errors.sh evaluates each `expr`; the message must have every text of `says`.
let
  lib = import ../.;
  inherit (lib) mkOption types;
  eval = modules: (lib.evalModules { inherit modules; }).config;
  nginx = {
    options.services.nginx = {
      enable = lib.mkEnableOption "nginx";
      hosts = mkOption { default = { }; type = types.attrsOf (types.submodule { options.port = mkOption { type = types.port; }; }); };
    };
  };
in
{
  unknown = {
    expr = eval [ nginx { services.nginxx.enable = true; } ];
    says = [ "The option `services.nginxx' does not exist." "Did you mean `services.nginx'?" "errors.nix:15'" "enable = true" ];
  };
  unknownInSubmodule = {
    expr = (eval [ nginx { services.nginx.hosts.a.prot = 4; } ]).services.nginx.hosts;
    says = [ "The option `services.nginx.hosts.a.prot' does not exist." "Did you mean `services.nginx.hosts.a.port'?" "errors.nix:19': 4" ];
  };
  elsewhere = {
    expr = eval [ nginx { services.hosts = 1; } ];
    says = [ "The option `services.hosts' does not exist." "Did you mean `services.nginx.hosts'?" ];
  };
  elsewhereFromRoot = {
    expr = eval [ nginx { networking = { enable = true; }; } { options.networking.port = mkOption { }; } ];
    says = [ "The option `networking.enable' does not exist." "Did you mean `services.nginx.enable'?" ];
  };
  wrongType = {
    expr = (eval [ nginx { services.nginx.enable = "no"; } ]).services.nginx.enable;
    says = [ "A definition for option `services.nginx.enable' is not of type `boolean'." "errors.nix:31': \"no\"" ];
  };
  undefined = {
    expr = (eval [ nginx { services.nginx.hosts.a = { }; } ]).services.nginx.hosts.a.port;
    says = [ "The option `services.nginx.hosts.a.port' was accessed but has no value defined. Try setting the option." ];
  };
  conflict = {
    expr = (eval [ nginx { services.nginx.enable = true; } { _file = "other.nix"; services.nginx.enable = false; } ]).services.nginx.enable;
    says = [ "The option `services.nginx.enable' has conflicting definition values:" "true" "false" "lib.mkForce value" ];
  };
  readOnly = {
    expr = (eval [ { options.a = mkOption { default = 1; readOnly = true; }; } { a = 2; } ]).a;
    says = [ "The option `a' is read-only, but it's set multiple times." ];
  };
  removed = {
    expr = (eval [ (lib.mkRemovedOptionModule [ "a" "b" ] "Use c.") { a.b = 1; } ]).a.b;
    says = [ "The option `a.b' can no longer be used since it's been removed. Use c." ];
  };
  optionInConfig = {
    expr = eval [ { foo = mkOption { }; } ];
    says = [ "It seems as if you're trying to declare an option by placing it into `config' rather than `options'!" ];
  };
  valueForSet = {
    expr = eval [ nginx { _file = "f.nix"; services.nginx = true; } ];
    says = [ "In module `f.nix', you're trying to define a value of type `bool'" "`services.nginx'" ];
  };
  argument = {
    expr = (eval [ nginx ({ pkg, ... }: { services.nginx.enable = pkg; }) ]).services.nginx.enable;
    says = [ "The module argument `pkg' is not defined" ];
  };
  topLevelOptions = {
    expr = eval [ { options = { }; services.nginx.enable = true; } ];
    says = [ "has an unsupported attribute `services'" "errors.nix:63" ];
  };
  callPackage = {
    expr = lib.callPackageWith { curl = 1; } ({ crul }: { }) { };
    says = [ "Function called without required argument \"crul\"" "errors.nix:67" "did you mean \"curl\"?" ];
  };
}
