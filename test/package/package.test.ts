/**
 * What is published: built afresh into scratch space, so that it is never an older build that is looked at.
 */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { cache, readSource, root, sourcesIn, withoutComments } from "./sources.js"

interface Manifest {
  readonly version: string
  readonly bin: Record<string, string>
  readonly exports: Record<string, string | { readonly types: string; readonly default: string }>
  readonly dependencies: Record<string, string>
  readonly peerDependencies: Record<string, string>
}

// The cast says what the tests below then find out.
const manifest = JSON.parse(readSource("package.json").text) as Manifest

const folder = Path.join(cache, "package")

const run = (command: string, ...args: ReadonlyArray<string>): string => {
  const { error, status, stderr, stdout } = spawnSync(command, args, { cwd: folder, encoding: "utf8" })
  assert.strictEqual(status, 0, `${command} ${args.join(" ")}: ${error?.message ?? ""}\n${stdout}\n${stderr}`)
  return stdout
}

const node = (code: string): string => run(process.execPath, "--input-type=module", "--eval", code)

/** All files below a folder, relative to it. */
const filesIn = (path: string): ReadonlyArray<string> =>
  Fs.readdirSync(path, { recursive: true, encoding: "utf8", withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => Path.relative(path, Path.join(entry.parentPath, entry.name)).split(Path.sep).join("/"))

/** The modules at the top of `src` are public, and so is `testing`; other folders are not. */
const publicModules = sourcesIn("src")
  .map(({ path }) => path)
  .filter((path) => /^src\/(?:\w+|testing\/index)\.ts$/.test(path))

const entries = Object.entries(manifest.exports).flatMap(([name, target]) =>
  typeof target === "string" ? [] : [{ name, specifier: name.replace(/^\./, "effect-rq"), ...target }]
)

beforeAll(() => {
  Fs.rmSync(folder, { recursive: true, force: true })
  Fs.mkdirSync(folder, { recursive: true })
  for (const name of ["package.json", "README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md"]) {
    if (Fs.existsSync(Path.join(root, name))) Fs.copyFileSync(Path.join(root, name), Path.join(folder, name))
  }
  Fs.cpSync(Path.join(root, "docs"), Path.join(folder, "docs"), { recursive: true })
  run(process.execPath, Path.join(root, "build.mjs"), Path.join(folder, "dist"))
}, 120_000)

describe("exports", () => {
  it("name each public module", () => {
    assert.deepStrictEqual(
      entries.map((entry) => entry.default).sort(),
      publicModules.map((path) => path.replace(/^src/, "./dist").replace(/\.ts$/, ".js")).sort()
    )
  })

  it("are also names of the package's index", () => {
    const index = Array.from(readSource("src/index.ts").text.matchAll(/^export \* as (\w+) from "\.\/(\w+)\.js"$/gm))
    assert.deepStrictEqual(
      index.map(([, name, file]) => `${name} ${file}`),
      publicModules.filter((path) => !/(?:index)\.ts$/.test(path)).map((path) => Path.basename(path, ".ts"))
        .map((name) => `${name} ${name}`)
    )
  })

  it("are files", () => {
    const files = entries.flatMap((entry) => [entry.types, entry.default])
    assert.deepStrictEqual(files.filter((file) => !Fs.existsSync(Path.join(folder, file))), [])
  })

  it("have declarations that hold without the sources", { timeout: 60_000 }, () => {
    const config = {
      compilerOptions: {
        module: "NodeNext",
        target: "ES2022",
        lib: ["ES2023"],
        types: ["node"],
        strict: true,
        exactOptionalPropertyTypes: true,
        // A declaration that can't be resolved would be `any` to those who skip this check.
        skipLibCheck: false,
        noEmit: true
      },
      files: entries.map((entry) => entry.types)
    }
    Fs.writeFileSync(Path.join(folder, "tsconfig.json"), JSON.stringify(config))
    const tsc = Path.join(root, "node_modules", "typescript", "bin", "tsc")
    const { stdout } = spawnSync(process.execPath, [tsc, "-p", ".", "--pretty", "false"], {
      cwd: folder,
      encoding: "utf8"
    })
    const problems = stdout.split("\n").filter((line) => /^dist\/|^error/.test(line))
    assert.deepStrictEqual(problems, [])
  })

  it("can be imported, and start nothing", { timeout: 60_000 }, () => {
    // Node ends by itself once nothing runs any more; a timer or a socket would keep it.
    const code = `
      const modules = await Promise.all(${
      JSON.stringify(entries.map(({ specifier }) => specifier))
    }.map((name) => import(name)))
      const alive = process.getActiveResourcesInfo().filter((name) => /Timeout|Immediate|TCP|TLS|Worker/.test(name))
      console.log(JSON.stringify({ alive, empty: modules.filter((module) => Object.keys(module).length === 0).length }))
    `
    assert.deepStrictEqual(JSON.parse(node(code)), { alive: [], empty: 0 })
  })

  it("are all that can be imported", () => {
    const code = `
      const reach = (name) => import(name).then(() => [name], () => [])
      const names = ["effect-rq/internal/outside", "effect-rq/wire/keys", "effect-rq/dist/index.js", "effect-rq/cli/bin"]
      console.log(JSON.stringify((await Promise.all(names.map(reach))).flat()))
    `
    assert.deepStrictEqual(JSON.parse(node(code)), [])
  })
})

describe("files", () => {
  const packed = (): ReadonlyArray<string> => {
    const [pack] = JSON.parse(run("npm", "pack", "--dry-run", "--json", "--ignore-scripts")) as [
      { readonly files: ReadonlyArray<{ readonly path: string }> } // as npm describes what it packs
    ]
    return pack.files.map(({ path }) => path)
  }

  it("are the build, the documentation and five texts", { timeout: 60_000 }, () => {
    const paths = packed()
    assert.deepStrictEqual(
      paths.filter((path) => !/^(?:dist|docs)\//.test(path)).sort(),
      ["CHANGELOG.md", "LICENSE", "README.md", "SECURITY.md", "package.json"]
    )
    assert.sameMembers(
      paths.filter((path) => path.startsWith("docs/")),
      filesIn(Path.join(root, "docs")).map((path) => `docs/${path}`)
    )
    assert.sameMembers(
      paths.filter((path) => path.startsWith("dist/")),
      filesIn(Path.join(folder, "dist")).map((path) => `dist/${path}`)
    )
  })

  it("hold what the texts among them link to", { timeout: 60_000 }, () => {
    const paths = packed()
    const links = paths.filter((path) => path.endsWith(".md")).flatMap((path) =>
      Array.from(
        readSource(path).text.matchAll(/\]\((?!\w+:)([^)#]+)[^)]*\)/g),
        ([, link]) => ({ path, target: Path.posix.join(Path.posix.dirname(path), link!) }) // the pattern has it
      )
    )
    assert.isTrue(links.some(({ target }) => target === "docs/cli.md"))
    // The examples run on the sources: README says that they are the repository's.
    assert.deepStrictEqual(links.filter(({ target }) => target !== "examples" && !paths.includes(target)), [])
  })

  it("import only what is installed with them", () => {
    const installed = [...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies)]
    const dist = Path.join(folder, "dist")
    const wrong = filesIn(dist)
      .filter((path) => /\.(?:js|d\.ts)$/.test(path) && !/^cli\/(?:bin|chunks)/.test(path))
      .flatMap((path) =>
        Array.from(
          // an example in a docstring imports what it likes
          withoutComments(Fs.readFileSync(Path.join(dist, path), "utf8")).matchAll(
            /^(?:import|export)\b(?:[^"';=]*?\bfrom)? "([^"]+)";?$|\bimport\("([^"]+)"\)/gm
          ),
          (match) => ({ path, specifier: match[1] ?? match[2]! })
        )
      )
      .filter(({ path, specifier }) =>
        specifier.startsWith(".")
          // What is not in the bundle may not lean on the modules that only the bundle holds.
          ? Path.posix.join(Path.posix.dirname(path), specifier).startsWith("cli/")
          : !specifier.startsWith("node:") &&
            !installed.includes(specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/"))
      )
    assert.deepStrictEqual(wrong, [])
  })
})

describe("command line", () => {
  it("is a bundle that runs", { timeout: 60_000 }, () => {
    const bin = manifest.bin["effect-rq"]!
    assert.match(Fs.readFileSync(Path.join(folder, bin), "utf8"), /^#!\/usr\/bin\/env node\n/)
    assert.isAbove(Fs.statSync(Path.join(folder, bin)).mode & 0o111, 0)
    assert.include(run(process.execPath, bin, "--version"), manifest.version)
    const others = filesIn(Path.join(folder, "dist", "cli")).filter((path) =>
      !/^(?:bin\.js|chunks\/|host\.)/.test(path)
    )
    assert.deepStrictEqual(others, [])
  })
})
