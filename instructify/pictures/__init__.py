"""Pictures and clips: where their files lie, what they hold, and the store that keeps each once.

The steps of a conversion, each cut into units that any process may run in any order:
`tars.plan_web`, `run_web`, `merge_web`: where img2dataset put which url;
`probing.plan_probe`, `run_probe`, then `index.gather`: what each wanted picture is;
`store.plan_store`, `check_space`, `run_store`: each new content once into shards;
`tables.write_index`: the index. `reading.PictureStore` reads the result.
"""
