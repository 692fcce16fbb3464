-- deploy-doctor in Neovim 0.7 to 0.10: every file of a repository goes to one server for it.
-- To be called from init.lua: dofile('/path/to/neovim.lua'). Newer ones: see README.md.

local clients = {}

-- The directory with the settings file, else the top of the repository.
local function repository(file)
  local from = vim.fn.fnamemodify(file, ':p:h') .. ';'
  local settings = vim.fn.findfile('deploy-doctor.toml', from)
  local git = vim.fn.finddir('.git', from)
  local found = settings ~= '' and settings or git
  if found == '' then return nil end
  return vim.fn.fnamemodify((vim.fn.fnamemodify(found, ':p'):gsub('/$', '')), ':h')
end

vim.api.nvim_create_autocmd({ 'BufReadPost', 'BufNewFile' }, {
  group = vim.api.nvim_create_augroup('deploy-doctor', {}),
  callback = function(event)
    local root = event.file ~= '' and repository(event.file)
    if not root then return end
    clients[root] = clients[root] or vim.lsp.start_client({
      name = 'deploy-doctor',
      cmd = { 'deploy-doctor', 'lsp' },
      root_dir = root,
      on_exit = function() clients[root] = nil end,
    })
    if clients[root] then vim.lsp.buf_attach_client(event.buf, clients[root]) end
  end,
})
