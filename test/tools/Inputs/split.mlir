// expected-error @+1 {{expected a model at level 1 or 2}}
module {
  func.func @forward(%ids: tensor<?x?xi32>) -> tensor<?x?xi32> {
    return %ids : tensor<?x?xi32>
  }
}

// -----

// expected-error @+1 {{expected a function @forward}}
module {
  func.func @backward(%ids: tensor<?x?xi32>) -> tensor<?x?xi32> {
    return %ids : tensor<?x?xi32>
  }
}
