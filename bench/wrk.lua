-- Run by wrk with one thread. With a file of bodies as its argument every request posts the next
-- one; without it every request is the GET of the address. The last line printed is JSON.
local threads = {}
posted_count, bodies_count = 0, 0

function setup(thread)
  threads[#threads + 1] = thread
end

function init(arguments)
  if not arguments[1] then
    return
  end
  local bodies = {}
  for line in io.lines(arguments[1]) do
    bodies[#bodies + 1] = line
  end
  bodies_count = #bodies
  wrk.headers["Content-Type"] = "application/json"
  request = function()
    posted_count = posted_count + 1
    return wrk.format("POST", nil, nil, bodies[math.min(posted_count, bodies_count)])
  end
end

function done(summary, latency)
  local thread, errors = threads[1], summary.errors
  io.write(string.format(
    '\n{"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"not_2xx_or_3xx":%d,"broken":%d,' ..
    '"posted":%d,"bodies":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    thread:get("posted_count"), thread:get("bodies_count")))
end
