-- What a person does in Neovim, for tests/living/neovim.rs: opens a unit, breaks it, reads what is
-- shown, takes a fix, takes all the others, writes. What was seen goes into a file as JSON.

local repository, seen_file = vim.env.REPOSITORY, vim.env.SEEN
local seen = { shown = {}, messages = {} }

local function finish()
  local file = assert(io.open(seen_file, 'w'))
  file:write(vim.json.encode(seen))
  file:close()
end

local function step(name, condition)
  if not vim.wait(60000, condition, 20) then
    seen.failed = name
    seen.at_last = vim.diagnostic.get(nil)
    finish()
    vim.cmd('cquit')
  end
end

-- The codes shown in a file, sorted.
local function codes(path)
  local buffer = vim.fn.bufnr(repository .. '/' .. path)
  local found = {}
  for _, one in ipairs(buffer > 0 and vim.diagnostic.get(buffer) or {}) do
    table.insert(found, one.code or vim.tbl_get(one, 'user_data', 'lsp', 'code'))
  end
  table.sort(found)
  return table.concat(found, ' ')
end

-- Chooses the action whose title begins so.
local function take(title)
  local taken = false
  vim.ui.select = function(items, options, chosen)
    for index, item in ipairs(items) do
      if vim.startswith(options.format_item(item), title) then
        taken = true
        return chosen(item, index)
      end
    end
    seen.offered = vim.tbl_map(options.format_item, items)
    finish()
    vim.cmd('cquit')
  end
  vim.lsp.buf.code_action()
  step('an action ' .. title, function() return taken end)
end

local unit = 'deploy/shop.service'
vim.cmd('edit ' .. repository .. '/' .. unit)
step('diagnostics', function() return codes(unit) ~= '' end)
seen.shown.first = codes(unit)
seen.encoding = vim.lsp.buf_get_clients(0)[1] and vim.lsp.buf_get_clients(0)[1].offset_encoding

-- A line goes, and nothing is saved.
local lines = vim.api.nvim_buf_get_lines(0, 0, -1, false)
for number, line in ipairs(lines) do
  if vim.startswith(line, 'Restart=') then vim.api.nvim_buf_set_lines(0, number - 1, number, false, {}) end
end
step('a finding of what is not saved', function() return codes(unit) ~= seen.shown.first end)
seen.shown.unsaved = codes(unit)
vim.cmd('undo')
step('the undone change', function() return codes(unit) == seen.shown.first end)

-- What stands where, and its explanation.
for _, one in ipairs(vim.diagnostic.get(0)) do
  local line = vim.api.nvim_buf_get_lines(0, one.lnum, one.lnum + 1, false)[1]
  table.insert(seen.messages, { message = one.message, text = line:sub(one.col + 1, one.end_col) })
end
local kill = vim.tbl_filter(function(one) return one.message:find('KillMode') end, vim.diagnostic.get(0))[1]
vim.api.nvim_win_set_cursor(0, { kill.lnum + 1, kill.col })
local answers = vim.lsp.buf_request_sync(0, 'textDocument/hover', vim.lsp.util.make_position_params(), 60000)
for _, answer in pairs(answers) do seen.hover = answer.result and answer.result.contents.value end

-- One fix, in the file at hand.
take('U109: KillMode=mixed')
step('KillMode=mixed', function() return vim.fn.search('^KillMode=mixed$', 'nw') > 0 end)
step('one finding less', function() return codes(unit) ~= seen.shown.first end)
seen.shown.fixed = codes(unit)

-- All the others, in all their files.
local left = vim.diagnostic.get(0)[1]
vim.api.nvim_win_set_cursor(0, { left.lnum + 1, left.col })
take('Apply all safe fixes of the folder')
step('nothing any more', function() return #vim.diagnostic.get(nil) == 0 end)
vim.cmd('wall')
vim.lsp.stop_client(vim.lsp.get_active_clients())
step('the end', function() return #vim.lsp.get_active_clients() == 0 end)
finish()
vim.cmd('qall!')
