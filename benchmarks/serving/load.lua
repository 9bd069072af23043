-- Arguments: file of requests, each "path \n headers \n body \1"; they are sent in turn. Prints one line of JSON.
local requests, turn = {}, 0

function init(arguments)
  local file = io.open(arguments[1], "rb")
  local content = file:read("*a")
  file:close()
  for path, headers, body in content:gmatch("([^\n]*)\n([^\n]*)\n([^\1]*)\1") do
    local fields = {}
    for name, value in headers:gmatch("([^:\t]+): ([^\t]+)") do fields[name] = value end
    requests[#requests + 1] = wrk.format("POST", path, fields, body)
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format('JSON {"requests":%d,"microseconds":%d,"p50_us":%d,"p99_us":%d,"refused":%d,"broken":%d,"late":%d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write, errors.timeout))
end
