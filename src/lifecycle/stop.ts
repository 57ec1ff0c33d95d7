/**
 * Edge `stop`: started -> stopped. The worker walks it when it has interrupted the job on demand; no retry is made.
 *
 * @internal
 */
import { defaultFailureTtl } from "./fail.js"

export const luaStop = `
local function stop(queue, id, execution, startedAt, exception)
  local job = takeOut(WORKER, queue, id, execution, "failure_ttl")
  if not job then return 0 end
  toFailed(queue, id, execution, startedAt, lifetime(job[3], ${defaultFailureTtl}), exception, "", "stopped")
  return 1
end
`
