// A layer with a bias whose result is split.
mamba.checkpoint @ckpt "model" hash "xxh3:0"
func.func @forward(%x: tensor<?x?x2xf32>) -> (tensor<?x?x3xf32>, tensor<?x?x1xf32>) {
  %w = mamba.weight @ckpt::@w : tensor<4x2xf16>
  %b = mamba.weight @ckpt::@b : tensor<4xf16>
  %y = mamba.linear %x, %w bias %b : (tensor<?x?x2xf32>, tensor<4x2xf16>, tensor<4xf16>) -> tensor<?x?x4xf32>
  %first = mamba.slice %y from 0 : tensor<?x?x4xf32> -> tensor<?x?x3xf32> loc("first")
  %last = mamba.slice %y from 3 : tensor<?x?x4xf32> -> tensor<?x?x1xf32> loc("last")
  return %first, %last : tensor<?x?x3xf32>, tensor<?x?x1xf32>
}
