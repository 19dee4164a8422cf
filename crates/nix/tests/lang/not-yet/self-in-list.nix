# A list of one element that is itself prints one level deeper in CppNix, which keeps short lists
# inside the value. Must print: [ [ «repeated» ] ]
let x = [ x ]; in x
