# Checks with a message.
{ lib }:
rec {
  assertMsg = condition: message: condition || throw message;

  assertOneOf = name: value: allowed:
    assertMsg (lib.elem value allowed)
      "${name} must be one of ${lib.generators.toPretty { } allowed}, but is: ${lib.generators.toPretty { } value}";

  assertEachOneOf = name: values: allowed:
    assertMsg (lib.all (value: lib.elem value allowed) values)
      "each element in ${name} must be one of ${lib.generators.toPretty { } allowed}, but is: ${lib.generators.toPretty { } values}";

  # As NixOS treats `assertions` and `warnings`.
  checkAssertWarn = assertions: warnings: value:
    let failed = map (a: a.message) (lib.filter (a: !a.assertion) assertions); in
    if failed != [ ]
    then throw "\nFailed assertions:\n${lib.concatMapStringsSep "\n" (message: "- ${message}") failed}"
    else lib.showWarnings warnings value;
}
