from model_store.cli import main

main()
