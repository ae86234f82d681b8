{
  "variables": {
    "kernel_sources": ["native/kernels/all.cc"]
  },
  "target_defaults": {
    # Products and sums round exactly as written: no contraction, no reassociation.
    "cflags": ["-Wall", "-Wextra", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"],
    "cflags!": ["-O2"],
    "cflags_cc": ["-O3", "-std=c++17", "-fexceptions"],
    "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
    "xcode_settings": {
      "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
      "CLANG_CXX_LANGUAGE_STANDARD": "c++17",
      "GCC_OPTIMIZATION_LEVEL": "3",
      "OTHER_CFLAGS": ["-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
    }
  },
  "targets": [
    {
      "target_name": "kernels_baseline",
      "type": "static_library",
      "sources": ["<@(kernel_sources)"]
    },
    {
      "target_name": "unfold_kernels",
      "sources": [
        "native/addon/addon.cc",
        "native/addon/arguments.cc",
        "native/addon/engine.cc",
        "native/addon/engine_layout.cc",
        "native/addon/engine_pointwise.cc",
        "native/addon/engine_products.cc",
        "native/addon/engine_recurrent.cc",
        "native/addon/memory.cc",
        "native/dispatch.cc",
        "native/pool.cc"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      # A thread that is terminated within a call can be thrown nothing any more: without the last, that ended the whole process.
      "defines": [
        "NAPI_VERSION=8",
        "NAPI_CPP_EXCEPTIONS",
        "NODE_ADDON_API_CPP_EXCEPTIONS_ALL",
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
      ],
      "dependencies": ["kernels_baseline"],
      "conditions": [
        ["target_arch=='x64'", { "dependencies": ["kernels_avx2", "kernels_avx512", "kernels_avx512_bf16"] }],
        ["target_arch=='arm64'", { "dependencies": ["kernels_neon"] }]
      ]
    }
  ],
  "conditions": [
    ["target_arch=='x64'", {
      "targets": [
        {
          "target_name": "kernels_avx2",
          "type": "static_library",
          "sources": ["<@(kernel_sources)"],
          "defines": ["UNFOLD_AVX2"],
          "cflags": ["-mavx2", "-mfma"],
          "xcode_settings": { "OTHER_CFLAGS": ["-mavx2", "-mfma"] }
        },
        {
          "target_name": "kernels_avx512",
          "type": "static_library",
          "sources": ["<@(kernel_sources)"],
          "defines": ["UNFOLD_AVX512"],
          # GCC 12 warns about its own AVX-512 header.
          "cflags": ["-mavx512f", "-mfma", "-mprefer-vector-width=512", "-Wno-maybe-uninitialized"],
          "xcode_settings": { "OTHER_CFLAGS": ["-mavx512f", "-mfma", "-mprefer-vector-width=512"] }
        },
        {
          # All that these processors have beyond the others of AVX-512 is an instruction for products in bfloat16.
          "target_name": "kernels_avx512_bf16",
          "type": "static_library",
          "sources": ["native/kernels/dots.cc"],
          "defines": ["UNFOLD_AVX512_BF16"],
          "cflags": ["-mavx512f", "-mavx512bf16", "-mfma", "-mprefer-vector-width=512", "-Wno-maybe-uninitialized"],
          "xcode_settings": { "OTHER_CFLAGS": ["-mavx512f", "-mavx512bf16", "-mfma", "-mprefer-vector-width=512"] }
        }
      ]
    }],
    ["target_arch=='arm64'", {
      "targets": [
        {
          "target_name": "kernels_neon",
          "type": "static_library",
          "sources": ["<@(kernel_sources)"],
          "defines": ["UNFOLD_NEON"]
        }
      ]
    }]
  ]
}
