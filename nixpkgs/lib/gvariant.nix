# GVariant values, as dconf and GSettings write them.
{ lib }:
let
  inherit (builtins) head isBool isFloat isInt isList isString typeOf;

  type = {
    arrayOf = t: "a${t}";
    maybeOf = t: "m${t}";
    tupleOf = ts: "(${lib.concatStrings ts})";
    dictionaryEntryOf = nameType: valueType: "{${nameType}${valueType}}";
    string = "s"; boolean = "b"; uchar = "y"; int16 = "n"; uint16 = "q"; int32 = "i";
    uint32 = "u"; int64 = "x"; uint64 = "t"; double = "d"; variant = "v"; objectpath = "o"; handle = "h";
  };
  kind = "gvariant";
  primitive = t: value: {
    _type = kind;
    type = t;
    inherit value;
    __toString = self: "@${self.type} ${toString self.value}";
  };
  quote = text: "'${lib.replaceStrings [ "\n" ] [ "\\n" ] (lib.escape [ "'" "\\" ] text)}'";

  mkValue = v:
    if isGVariant v then v
    else if isInt v then gvariant.mkInt32 v
    else if isFloat v then gvariant.mkDouble v
    else if isString v then gvariant.mkString v
    else if isBool v then gvariant.mkBoolean v
    else if isList v then gvariant.mkArray v
    else throw "gvariant: a value of type ${typeOf v} has no GVariant form";
  isGVariant = v: v._type or "" == kind;

  common = what: values:
    let types = lib.unique (map (v: v.type) values); in
    if builtins.length types == 1 then head types
    else throw "The elements of a GVariant ${what} must be of one type, but they are of: ${lib.concatStringsSep ", " types}";

  gvariant = {
    inherit type mkValue isGVariant;
    intConstructors = [
      { conversion = "mkInt32"; type = type.int32; signed = true; min = -2147483648; max = 2147483647; }
      { conversion = "mkUint32"; type = type.uint32; signed = false; min = 0; max = 4294967295; }
      { conversion = "mkInt64"; type = type.int64; signed = true; min = -9223372036854775807; max = 9223372036854775807; }
      { conversion = "mkUint64"; type = type.uint64; signed = false; min = 0; max = 9223372036854775807; }
      { conversion = "mkInt16"; type = type.int16; signed = true; min = -32768; max = 32767; }
      { conversion = "mkUint16"; type = type.uint16; signed = false; min = 0; max = 65535; }
      { conversion = "mkUchar"; type = type.uchar; signed = false; min = 0; max = 255; }
    ];
    mkString = v: primitive type.string v // { __toString = self: quote self.value; };
    mkObjectpath = v: primitive type.objectpath v // { __toString = self: "objectpath ${quote self.value}"; };
    mkBoolean = v: primitive type.boolean v // { __toString = self: if self.value then "true" else "false"; };
    mkUchar = primitive type.uchar;
    mkInt16 = primitive type.int16;
    mkUint16 = primitive type.uint16;
    mkInt32 = v: primitive type.int32 v // { __toString = self: toString self.value; };
    mkUint32 = primitive type.uint32;
    mkInt64 = primitive type.int64;
    mkUint64 = primitive type.uint64;
    mkDouble = v: primitive type.double v // { __toString = self: toString self.value; };

    mkArray = elements:
      let values = map mkValue (if isList elements then elements else throw "gvariant.mkArray expects a list"); in
      if values == [ ] then throw "Please create empty array with mkEmptyArray."
      else primitive (type.arrayOf (common "array" values)) values // {
        __toString = self: "@${self.type} [${lib.concatMapStringsSep "," toString self.value}]";
      };
    mkEmptyArray = elemType: primitive (type.arrayOf elemType) [ ] // { __toString = self: "@${self.type} []"; };
    mkVariant = v:
      let value = mkValue v; in
      primitive type.variant value // { __toString = self: "<${toString self.value}>"; };
    mkDictionaryEntry = name: v:
      let n = mkValue name; value = mkValue v; in
      primitive (type.dictionaryEntryOf n.type value.type) { name = n; inherit value; } // {
        __toString = self: "@${self.type} {${toString self.value.name},${toString self.value.value}}";
      };
    mkMaybe = elemType: v: primitive (type.maybeOf elemType) v // {
      __toString = self: if self.value == null then "@${self.type} nothing" else "just ${toString self.value}";
    };
    mkNothing = elemType: gvariant.mkMaybe elemType null;
    mkJust = v: let value = mkValue v; in gvariant.mkMaybe value.type value;
    mkTuple = elements:
      let values = map mkValue elements; in
      primitive (type.tupleOf (map (v: v.type) values)) values // {
        __toString = self: "@${self.type} (${lib.concatMapStringsSep "," toString self.value})";
      };
  };
in
gvariant
